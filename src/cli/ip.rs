//! `bayplan ip`: who has which address, and what is free.

use anyhow::{Result, anyhow, bail};
use bayplan::address::Family;
use bayplan::ip::{Answer, From, asking_for_any, find, limited, list, map, next};
use bayplan::model::Model;
use bayplan::report::visible_json;
use bayplan::source::Sources;

use super::args::{Input, IpCommand, IpFamily, Listing};
use super::{Exit, inputs, print, say, tell};

/// Answers the question.
///
/// # Errors
///
/// If the inventory cannot be read, or the question names nothing that exists.
pub fn run(command: &IpCommand) -> Result<Exit> {
    match command {
        IpCommand::List { input, format } => {
            let (model, sources) = model(input)?;
            show(&list(&model, &sources), *format)
        }
        IpCommand::Map { input, format } => show(&map(&model(input)?.0), *format),
        IpCommand::Find { address, input, format } => {
            let (model, sources) = model(input)?;
            show(&find(&model, &sources, address).map_err(|reason| anyhow!(reason))?, *format)
        }
        IpCommand::Next { pool, lan, family, count, input, format, quiet } => {
            let model = model(input)?.0;
            let from = match pool {
                Some(pool) => From::Pool(pool),
                None if *lan => From::Lan,
                None => From::Pools,
            };
            let family = family.map(|family| match family {
                IpFamily::Ipv4 => Family::V4,
                IpFamily::Ipv6 => Family::V6,
            });
            let answer = next(&model, from, family, *count as usize).map_err(|reason| anyhow!(reason))?;
            let found = answer.json["addresses"].as_array().map_or(0, Vec::len);
            show(&answer, *format)?;
            if from == From::Pools {
                limited(&model, &answer).iter().for_each(|limit| say(quiet.quiet, limit));
            }
            let any = asking_for_any(&model);
            if any > 0 && !*lan {
                let gateway = model.gateway_for_any_address().is_some();
                let who = if gateway { "that take any address" } else { "with `ip = \"auto\"`" };
                say(quiet.quiet, &format!("{any} {who} may have got one of the free addresses"));
            }
            if found < *count as usize {
                tell(&match found {
                    0 => "none is free\n".to_owned(),
                    _ => format!("only {found} of {count} are free\n"),
                });
                return Ok(Exit::Findings);
            }
            Ok(Exit::Clean)
        }
    }
}

/// The model, as far as there is one: errors elsewhere do not stand in the way.
fn model(input: &Input) -> Result<(Model, Sources)> {
    let found = inputs::find(input)?;
    let inputs = inputs::read(&found, input)?;
    let Some((model, errors)) = bayplan::resolved(&inputs) else {
        bail!("{}: cannot be understood; `bayplan check` says why", found.path.display());
    };
    if errors > 0 {
        let what = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        tell(&format!("{}: {what}; `bayplan check` shows them\n", found.path.display()));
    }
    Ok((model, inputs.sources))
}

fn show(answer: &Answer, format: Listing) -> Result<Exit> {
    print(&match format {
        Listing::Text => answer.text.clone(),
        Listing::Json => visible_json(&format!("{:#}\n", answer.json)),
    })?;
    Ok(Exit::Clean)
}

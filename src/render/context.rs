//! What templates see: the model, by the names of its fields.

use std::collections::BTreeMap;

use minijinja::Value;
use minijinja::value::Serde;
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::model::{Environment, Model};
use crate::render::kinds::Applied;
use crate::render::plan::Job;
use crate::template::{given, given_list, given_map};

/// The model as values of the template engine, made once and shared by all renders.
#[derive(Debug)]
pub struct Contexts {
    cluster: BTreeMap<String, Value>,
    charts: Vec<Value>,
    nodes: Vec<Value>,
    base: Scope,
    environments: Vec<Scope>,
}

/// One environment, with its stacks and services.
#[derive(Debug)]
struct Scope {
    value: Value,
    stacks: Vec<StackScope>,
}

#[derive(Debug)]
struct StackScope {
    value: Value,
    services: Vec<Value>,
    secrets: Vec<Value>,
    claims: Vec<Value>,
}

impl Contexts {
    /// The values of a model.
    pub fn new(model: &Model) -> Self {
        let whole = given(&Value::from(Serde(model)));
        let base = scope(&model.base);
        let environments: Vec<Scope> = model.environments.par_iter().map(scope).collect();
        let mut cluster = members(&whole);
        let list = given_list(environments.iter().map(|scope| scope.value.clone()));
        cluster.insert("environments".to_owned(), list);
        let items = |name: &str| -> Vec<Value> {
            cluster.get(name).and_then(|list| list.try_iter().ok()).map(Iterator::collect).unwrap_or_default()
        };
        Self { charts: items("charts"), nodes: items("nodes"), cluster, base, environments }
    }

    /// The same for templates that are rendered last: they see `applied`, too.
    pub fn after(mut self, applied: &Applied) -> Self {
        self.cluster.insert("applied".to_owned(), given(&Value::from(Serde(applied))));
        self
    }

    /// The names that one job sees.
    pub fn of(&self, job: &Job<'_>) -> Value {
        let mut names = self.cluster.clone();
        let scope = job.environment.map_or(&self.base, |at| &self.environments[at]);
        let mut add = |name: &str, value: Option<&Value>| {
            if let Some(value) = value {
                names.insert(name.to_owned(), value.clone());
            }
        };
        add("environment", job.scoped.then_some(&scope.value));
        if let Some(stack) = job.stack.map(|at| &scope.stacks[at]) {
            add("stack", Some(&stack.value));
            add("service", job.service.map(|at| &stack.services[at]));
            add("secret", job.secret.map(|at| &stack.secrets[at]));
            add("claim", job.claim.map(|at| &stack.claims[at]));
        }
        add("chart", job.chart.map(|at| &self.charts[at]));
        add("node", job.node.map(|at| &self.nodes[at]));
        given_map(names)
    }
}

fn scope(environment: &Environment) -> Scope {
    let stacks: Vec<StackScope> = environment
        .stacks
        .par_iter()
        .map(|stack| {
            let services: Vec<Value> =
                stack.services.iter().map(|service| given(&Value::from(Serde(service)))).collect();
            let mut value = members(&given(&Value::from(Serde(stack))));
            value.insert("services".to_owned(), given_list(services.iter().cloned()));
            let items = |name: &str| -> Vec<Value> {
                value
                    .get(name)
                    .and_then(|list| list.try_iter().ok())
                    .map(Iterator::collect)
                    .unwrap_or_default()
            };
            StackScope {
                secrets: items("secrets"),
                claims: items("claims"),
                value: Value::from(value),
                services,
            }
        })
        .collect();
    let mut value = members(&given(&Value::from(Serde(environment))));
    value.insert("stacks".to_owned(), given_list(stacks.iter().map(|stack| stack.value.clone())));
    Scope { value: given_map(value), stacks }
}

/// The members of a value that came from a struct.
fn members(value: &Value) -> BTreeMap<String, Value> {
    let keys = value.try_iter().into_iter().flatten();
    keys.filter_map(|key| Some((key.to_string(), value.get_item(&key).ok()?))).collect()
}

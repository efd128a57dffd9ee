//! What templates see: the model, by the names of its fields.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::{Environment, Model};
use crate::render::kinds::Applied;
use crate::render::plan::{Job, Thing};
use crate::template::{Watched, given, given_list, given_map, given_members, given_record, shared};

type Members = Vec<(Value, Value)>;

/// The model as values of the template engine, made once and shared by all renders.
#[derive(Debug)]
pub struct Contexts {
    cluster: Arc<Members>,
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
    name: String,
    value: Value,
    services: Vec<Value>,
    secrets: Vec<Value>,
    claims: Vec<Value>,
}

/// The names that one job sees, and which of them it has read.
#[derive(Debug)]
pub struct Names {
    cluster: Arc<Members>,
    environment: Option<Value>,
    chart: Option<Value>,
    node: Option<Value>,
    watched: [(&'static str, Option<Arc<Watched>>); 4],
    /// Whether it has looked at what is never the same in two environments.
    environment_read: AtomicBool,
}

impl Contexts {
    /// The values of a model.
    pub fn new(model: &Model) -> Self {
        let base = scope(&model.base, None);
        let environments: Vec<Scope> =
            model.environments.par_iter().map(|one| scope(one, Some((&model.base, &base)))).collect();
        let mut cluster = given_members(model);
        let list = given_list(environments.iter().map(|scope| scope.value.clone()));
        cluster.push((Value::from("environments"), list));
        let (charts, nodes) = (items(&cluster, "charts"), items(&cluster, "nodes"));
        Self { charts, nodes, cluster: Arc::new(cluster), base, environments }
    }

    /// The same for templates that are rendered last: they see `applied`, too.
    pub fn after(mut self, applied: &Applied) -> Self {
        Arc::make_mut(&mut self.cluster).push((Value::from("applied"), given(applied)));
        self
    }

    /// The names that one job sees.
    pub fn of(&self, job: &Job<'_>) -> Arc<Names> {
        let watch = |value: Option<&Value>| value.and_then(Watched::new);
        Arc::new(Names {
            cluster: Arc::clone(&self.cluster),
            environment: job.scoped.then(|| self.scope(job).value.clone()),
            chart: match job.thing {
                Some(Thing::Chart(at)) => Some(self.charts[at].clone()),
                _ => None,
            },
            node: match job.thing {
                Some(Thing::Node(at)) => Some(self.nodes[at].clone()),
                _ => None,
            },
            watched: self.things(job).map(|(name, value)| (name, watch(value))),
            environment_read: AtomicBool::new(false),
        })
    }

    /// Whether a job that read `names` would make the same for `other`, which stands for the same thing in another
    /// environment.
    pub fn same(&self, names: &Names, other: &Job<'_>) -> bool {
        let things = names.watched.iter().zip(self.things(other));
        let mut same = things.map(|((_, watched), (_, value))| match (watched, value) {
            (Some(watched), Some(value)) => watched.reads_same(value),
            (None, None) => true,
            _ => false,
        });
        !names.environment_read.load(Ordering::Relaxed) && same.all(|same| same)
    }

    fn scope(&self, job: &Job<'_>) -> &Scope {
        job.environment.map_or(&self.base, |at| &self.environments[at])
    }

    fn things(&self, job: &Job<'_>) -> [(&'static str, Option<&Value>); 4] {
        let stack = job.stack.map(|at| &self.scope(job).stacks[at]);
        let mut things = [
            ("stack", stack.map(|stack| &stack.value)),
            ("service", None),
            ("secret", None),
            ("claim", None),
        ];
        if let Some(stack) = stack {
            match job.thing {
                Some(Thing::Service(at)) => things[1].1 = stack.services.get(at),
                Some(Thing::Secret(at)) => things[2].1 = stack.secrets.get(at),
                Some(Thing::Claim(at)) => things[3].1 = stack.claims.get(at),
                Some(Thing::Chart(_) | Thing::Node(_)) | None => {}
            }
        }
        things
    }
}

impl Names {
    fn get(self: &Arc<Self>, name: &str) -> Option<Value> {
        let watched = self.watched.iter().find(|(known, _)| *known == name);
        if let Some((_, Some(watched))) = watched {
            return Some(Value::from_dyn_object(Arc::clone(watched)));
        }
        let own = match name {
            "environment" => {
                self.environment_read.store(true, Ordering::Relaxed);
                self.environment.as_ref()
            }
            "chart" => self.chart.as_ref(),
            "node" => self.node.as_ref(),
            _ => None,
        };
        own.or_else(|| member(&self.cluster, name)).cloned()
    }

    fn list(&self) -> Vec<Value> {
        let own = [("environment", &self.environment), ("chart", &self.chart), ("node", &self.node)];
        let own = own.into_iter().filter_map(|(name, value)| value.as_ref().map(|_| name));
        let watched = self.watched.iter().filter_map(|(name, value)| value.as_ref().map(|_| *name));
        let names = own.chain(watched).map(Value::from);
        self.cluster.iter().map(|(name, _)| name.clone()).chain(names).collect()
    }
}

impl Object for Names {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.environment_read.store(true, Ordering::Relaxed);
        self.mapped_enumerator(|names| Box::new(names.list().into_iter()))
    }
}

/// `base` is what environments have most of their values in common with.
fn scope(environment: &Environment, base: Option<(&Environment, &Scope)>) -> Scope {
    let of_stack = |stack: &Stack| {
        stack_scope(
            stack,
            base.and_then(|(base, scope)| Some((known(base, &stack.name)?, scope.stack(&stack.name)?))),
        )
    };
    let stacks: Vec<StackScope> = environment.stacks.par_iter().map(of_stack).collect();
    let mut value = given_members(environment);
    let list = given_list(stacks.iter().map(|stack| stack.value.clone()));
    value.push((Value::from("stacks"), list));
    Scope { value: given_map(value), stacks }
}

fn stack_scope(stack: &Stack, like: Option<(&Stack, &StackScope)>) -> StackScope {
    let of_service = |service: &Arc<Service>| match like.and_then(|like| alike(like, &service.key)) {
        // Most environments change few services.
        Some((known, value)) if Arc::ptr_eq(known, service) || known == service => value.clone(),
        _ => given_record(Arc::clone(service)),
    };
    let services: Vec<Value> = stack.services.iter().map(of_service).collect();
    let mut members = given_members(stack);
    members.push((Value::from("services"), given_list(services.iter().cloned())));
    let value = given_map(members);
    let value = like.map_or_else(|| value.clone(), |(_, like)| shared(&value, &like.value));
    let members = |name: &str| -> Vec<Value> { list(&value.get_attr(name).unwrap_or_default()) };
    StackScope {
        name: stack.name.clone(),
        secrets: members("secrets"),
        claims: members("claims"),
        services,
        value,
    }
}

fn known<'e>(environment: &'e Environment, name: &str) -> Option<&'e Stack> {
    let found = environment.stacks.binary_search_by(|stack| stack.name.as_str().cmp(name));
    environment.stacks.get(found.ok()?)
}

/// A service of another environment and its value. Services stand in the order of their names.
fn alike<'l>(
    (stack, scope): (&'l Stack, &'l StackScope),
    key: &str,
) -> Option<(&'l Arc<Service>, &'l Value)> {
    let at = stack.services.binary_search_by(|service| service.key.as_str().cmp(key)).ok()?;
    Some((&stack.services[at], scope.services.get(at)?))
}

impl Scope {
    /// Stacks stand in the order of their names.
    fn stack(&self, name: &str) -> Option<&StackScope> {
        let found = self.stacks.binary_search_by(|stack| stack.name.as_str().cmp(name));
        self.stacks.get(found.ok()?)
    }
}

fn member<'m>(members: &'m Members, name: &str) -> Option<&'m Value> {
    members.iter().find(|(known, _)| known.as_str() == Some(name)).map(|(_, value)| value)
}

fn items(members: &Members, name: &str) -> Vec<Value> {
    member(members, name).map(list).unwrap_or_default()
}

fn list(value: &Value) -> Vec<Value> {
    value.try_iter().into_iter().flatten().collect()
}

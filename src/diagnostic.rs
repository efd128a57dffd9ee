//! What a run has to say: codes, levels, labels. How it looks is decided in `report`.

pub use crate::spelling::nearest;

use crate::source::{Span, Spanned};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth a look; rendering goes on.
    Warning,
    /// Wrong; nothing is rendered.
    Error,
}

impl Level {
    /// The word that reports and settings use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Which part of a cluster a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Addresses, pools, ranges and who claims them.
    Addresses,
    /// Ports, names and host names.
    PortsAndNames,
    /// Names that point at something else in the inventory.
    References,
    /// Claims, mounts, NFS.
    Storage,
    /// Requests, limits, quotas, capacity.
    Resources,
    /// Secrets, privileges, images.
    Security,
    /// Argo CD, Flux and the order of things.
    Gitops,
    /// The inventory file itself.
    Inventory,
    /// Templates and what they render.
    Templates,
    /// The tree on disk.
    Tree,
}

impl Family {
    /// Every family, in the order of the manual.
    pub const ALL: [Self; 10] = [
        Self::Addresses,
        Self::PortsAndNames,
        Self::References,
        Self::Storage,
        Self::Resources,
        Self::Security,
        Self::Gitops,
        Self::Inventory,
        Self::Templates,
        Self::Tree,
    ];

    /// Its name, in kebab-case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::PortsAndNames => "ports-and-names",
            Self::References => "references",
            Self::Storage => "storage",
            Self::Resources => "resources",
            Self::Security => "security",
            Self::Gitops => "gitops",
            Self::Inventory => "inventory",
            Self::Templates => "templates",
            Self::Tree => "tree",
        }
    }
}

/// A rule: a name that never changes meaning, and how it is explained.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// Kebab-case; names the fault, not the remedy.
    pub name: &'static str,
    /// The part of a cluster it is about.
    pub family: Family,
    /// How grave it is unless the user says otherwise.
    pub level: Level,
    /// One line: what is wrong when this is reported.
    pub summary: &'static str,
    /// A page of Markdown: what, why with its source, a wrong and a right example (`src/explain/NAME.md`).
    pub explain: &'static str,
}

/// Declares codes and the list `CODES` of them: all of one family, or each with its own. The page of a code is the
/// file of its name, and a missing one does not compile.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $id:ident = ($name:literal, $family:ident, $level:ident, $summary:literal);)+) => {
        $($(#[doc = $doc])+
        pub const $id: $crate::diagnostic::Code = $crate::diagnostic::Code {
            name: $name,
            family: $crate::diagnostic::Family::$family,
            level: $crate::diagnostic::Level::$level,
            summary: $summary,
            explain: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/explain/", $name, ".md")),
        };)+
        /// The codes of this module.
        pub const CODES: &[&$crate::diagnostic::Code] = &[$(&$id),+];
    };
    ($family:ident: $($(#[doc = $doc:literal])+ $id:ident = ($name:literal, $level:ident, $summary:literal);)+) => {
        $crate::diagnostic::codes! {
            $($(#[doc = $doc])+ $id = ($name, $family, $level, $summary);)+
        }
    };
}
pub(crate) use codes;

impl Code {
    /// A finding of this rule. `message` says what is wrong, lower case, user's names in backticks;
    /// `label` says what stands at `span`.
    pub fn at(&'static self, span: Span, label: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code: self,
            level: self.level,
            message: message.into(),
            labels: vec![Label { span, text: label.into(), primary: true }],
            help: None,
            subjects: Vec::new(),
        }
    }
}

/// A place and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words; may be empty.
    pub text: String,
    /// The place where the fault is, as opposed to one that explains it.
    pub primary: bool,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule.
    pub code: &'static Code,
    /// How grave it is here: the rule's level unless settings changed it.
    pub level: Level,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The primary place first, then those that explain it. Never empty.
    pub labels: Vec<Label>,
    /// How to mend it.
    pub help: Option<String>,
    /// Inventory paths (`services.plex`) that an `[[allow]]` entry can name.
    pub subjects: Vec<String>,
}

impl Diagnostic {
    /// Adds a place that explains the fault.
    pub fn because(mut self, span: Span, label: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: label.into(), primary: false });
        self
    }

    /// Says how to mend it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names an inventory path that this finding is about, for `[[allow]]`.
    pub fn about(mut self, path: impl Into<String>) -> Self {
        self.subjects.push(path.into());
        self
    }

    /// Where the fault is.
    pub fn primary(&self) -> Span {
        self.labels.iter().find(|label| label.primary).map(|label| label.span).unwrap_or_default()
    }
}

/// The findings of a run, and what no report of them may show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    hidden: Vec<Span>,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// What stands at this place is a secret: no report shows it, whichever finding is near.
    pub fn hide(&mut self, secret: Span) {
        self.hidden.push(secret);
    }

    /// The places that no report shows.
    pub fn hidden(&self) -> &[Span] {
        &self.hidden
    }

    /// Adds findings.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Diagnostic>) {
        self.found.extend(more);
    }

    /// Adds all that another stage has to say, and all that it hides.
    pub fn absorb(&mut self, more: Self) {
        self.found.extend(more.found);
        self.hidden.extend(more.hidden);
    }

    /// Keeps only the findings for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&mut Diagnostic) -> bool) {
        self.found.retain_mut(keep);
    }

    /// File order, then rule name, and each finding once.
    pub fn sort(&mut self) {
        self.found.sort_by(|a, b| {
            (a.primary(), a.code.name, &a.message).cmp(&(b.primary(), b.code.name, &b.message))
        });
        self.found.dedup();
    }

    /// How many findings are of this level.
    pub fn count(&self, level: Level) -> usize {
        self.found.iter().filter(|d| d.level == level).count()
    }

    /// Whether anything stands in the way of rendering.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|d| d.level == Level::Error)
    }

    /// The findings, in the order they stand.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.found.iter()
    }

    /// No finding at all.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// What a stage hands on: the best it could make, and what it has to say.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// The best that could be made.
    pub value: T,
    /// What was found on the way.
    pub diagnostics: Diagnostics,
}

/// A spanned text is often the primary label; this saves naming its span.
impl<T> From<&Spanned<T>> for Span {
    fn from(value: &Spanned<T>) -> Span {
        value.span
    }
}

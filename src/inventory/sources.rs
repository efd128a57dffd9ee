//! Applications of several sources: what Argo CD takes along from elsewhere.

use crate::inventory::record::List;
use crate::inventory::value::{Flag, PassthroughTable, Text};
use crate::source::Spanned;
use crate::{choice, record};

choice! {
    /// Where a chart's values stand.
    pub enum ValuesIn {
        /// In its Application.
        Inline = "inline",
        /// In a file of the tree, which the Application reads as a second source.
        File = "file",
    }
}

record! {
    /// How Argo CD installs a chart.
    pub struct ChartArgocd {
        /// Where its values stand: `inline`, in its Application, or `file`: in a file of the tree, which the Application reads as a second source. Default `inline`.
        values: Option<Spanned<ValuesIn>>,
        /// What its Application applies along with it.
        sources: List<Source>,
    }
}

record! {
    /// One more source of an Application: a folder of a Git repository, or a chart.
    pub struct Source {
        /// The repository: its URL for Git, `https://…` or `oci://…` for charts.
        #[required]
        repository: Option<Text>,
        /// The branch, tag or commit, or the chart's version. Default: the repository's own branch; a chart has no default.
        revision: Option<Text>,
        /// The folder of the Git repository. Or `chart`.
        path: Option<Text>,
        /// The chart's name in the repository. Or `path`.
        chart: Option<Text>,
        /// The Helm release's name. Default: the Application's.
        release: Option<Text>,
        /// The chart's values.
        values: Option<PassthroughTable>,
        /// Whether manifests in folders below `path` are taken, too. Default false.
        recurse: Option<Flag>,
        /// Which manifests of `path` are taken, as a pattern: `*.yaml`, or `{a,b}.yaml`. Default: all.
        include: Option<Text>,
        /// Which manifests of `path` are left out, as a pattern.
        exclude: Option<Text>,
    }
}

//! The schemas of Kubernetes' own kinds and of common custom ones, as this program carries them.
//!
//! `tests/bundle` makes the file. It is unpacked once, and a type is read when something of it is first checked.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

/// The schemas: their length in four bytes, then they themselves, deflated.
static PACKED: &[u8] = include_bytes!("schemas.bin");

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| Bundle::read(PACKED).unwrap_or_default());

/// What may stand in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Anything.
    Any,
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A whole number or a text.
    IntOrText,
    /// An amount: `500m`, `1Gi`, or a number.
    Quantity,
    /// A text of a kind that has a name: `duration`.
    Format(&'static str),
    /// One of some words.
    Enum(Vec<&'static str>),
    /// A whole number, not below the first and not above the second.
    Range(i64, i64),
    /// A list; no two elements may have the same values of these keys.
    List(Box<Node>, Vec<&'static str>),
    /// A map to this.
    Map(Box<Node>),
    /// An object of the type with this number.
    Object(usize),
}

/// The fields of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Type {
    /// Whether it may have fields beside these.
    pub open: bool,
    /// Its fields, by name.
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What stands in it.
    pub node: Node,
    /// Whether it must be given.
    pub required: bool,
    /// The minor version of Kubernetes that brought it; 0 if it was always there.
    pub since: u32,
}

/// A kind of object that a cluster serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// The API version that serves it.
    pub version: &'static str,
    /// The number of its type.
    pub of: usize,
    /// Whether its objects stand in a namespace.
    pub namespaced: bool,
    /// First and last minor version of Kubernetes that serve it; 0 is no bound.
    pub served: (u32, u32),
}

/// All schemas.
#[derive(Debug, Default)]
pub struct Bundle {
    texts: Vec<&'static str>,
    words: Vec<Vec<usize>>,
    types: Vec<(&'static [u8], OnceLock<Type>)>,
    kinds: Vec<Kind>,
    named: BTreeMap<&'static str, usize>,
}

static NOTHING: Type = Type { open: true, fields: Vec::new() };

impl Node {
    /// The type of an object, or of those in a list or map.
    fn object(&self) -> Option<usize> {
        match self {
            Self::Object(of) => Some(*of),
            Self::List(inner, _) | Self::Map(inner) => inner.object(),
            _ => None,
        }
    }
}

impl Type {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|field| field.name.cmp(name)).ok().map(|at| &self.fields[at])
    }
}

impl Bundle {
    /// The schemas that this program carries.
    pub fn get() -> &'static Self {
        &BUNDLE
    }

    /// The kind of this name in this API version.
    pub fn kind(&self, version: &str, name: &str) -> Option<&Kind> {
        let at = self.kinds.binary_search_by(|kind| (kind.version, kind.name).cmp(&(version, name)));
        at.ok().map(|at| &self.kinds[at])
    }

    /// Every kind, by API version and name.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The type of this number.
    pub fn type_of(&self, number: usize) -> &Type {
        let Some((bytes, read)) = self.types.get(number) else { return &NOTHING };
        read.get_or_init(|| self.read_type(bytes).unwrap_or_else(|| NOTHING.clone()))
    }

    /// A type that values outside of objects have, as `api.core.v1.SecurityContext`; or that of a kind's field, as
    /// `autoscaling/v2 HorizontalPodAutoscaler spec.behavior`.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.named.get(name).copied().or_else(|| self.of_field(name))
    }

    fn of_field(&self, name: &str) -> Option<usize> {
        let mut words = name.split(' ');
        let kind = self.kind(words.next()?, words.next()?)?;
        words.next()?.split('.').try_fold(kind.of, |of, field| self.type_of(of).field(field)?.node.object())
    }

    fn read(packed: &[u8]) -> Option<Self> {
        let (length, packed) = packed.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let bytes = miniz_oxide::inflate::decompress_to_vec_with_limit(packed, length).ok()?;
        let mut reader = Reader { bytes: Box::leak(bytes.into_boxed_slice()) };
        let mut bundle = Self { texts: reader.texts()?, ..Self::default() };
        for _ in 0..reader.number()? {
            let count = reader.number()?;
            bundle.words.push((0..count).map(|_| reader.number()).collect::<Option<_>>()?);
        }
        for _ in 0..reader.number()? {
            let length = reader.number()?;
            bundle.types.push((reader.take(length)?, OnceLock::new()));
        }
        for _ in 0..reader.number()? {
            bundle.kinds.push(bundle.read_kind(&mut reader)?);
        }
        bundle.kinds.sort_unstable_by_key(|kind| (kind.version, kind.name));
        for _ in 0..reader.number()? {
            let name = bundle.text(reader.number()?)?;
            bundle.named.insert(name, reader.number()?);
        }
        Some(bundle)
    }

    fn text(&self, number: usize) -> Option<&'static str> {
        self.texts.get(number).copied()
    }

    fn read_kind(&self, reader: &mut Reader) -> Option<Kind> {
        Some(Kind {
            version: self.text(reader.number()?)?,
            name: self.text(reader.number()?)?,
            of: reader.number()?,
            namespaced: reader.byte()? == 1,
            served: (u32::from(reader.byte()?), u32::from(reader.byte()?)),
        })
    }

    fn read_type(&self, bytes: &'static [u8]) -> Option<Type> {
        let mut reader = Reader { bytes };
        let open = reader.byte()? == 1;
        let count = reader.number()?;
        let mut fields = Vec::with_capacity(count);
        for _ in 0..count {
            let name = self.text(reader.number()?)?;
            let marks = reader.byte()?;
            let node = self.read_node(&mut reader)?;
            fields.push(Field { name, node, required: marks & 1 == 1, since: u32::from(marks >> 1) });
        }
        Some(Type { open, fields })
    }

    fn read_node(&self, reader: &mut Reader) -> Option<Node> {
        Some(match reader.byte()? {
            0 => Node::Any,
            1 => Node::Text,
            2 => Node::Integer,
            3 => Node::Number,
            4 => Node::Bool,
            5 => Node::IntOrText,
            6 => Node::Quantity,
            7 => Node::Format(self.text(reader.number()?)?),
            8 => {
                let words = self.words.get(reader.number()?)?;
                Node::Enum(words.iter().map(|word| self.text(*word)).collect::<Option<_>>()?)
            }
            9 => Node::Range(reader.bound()?, reader.bound()?),
            10 => {
                let count = reader.number()?;
                let keys = (0..count).map(|_| self.text(reader.number()?)).collect::<Option<_>>()?;
                Node::List(Box::new(self.read_node(reader)?), keys)
            }
            11 => Node::Map(Box::new(self.read_node(reader)?)),
            12 => Node::Object(reader.number()?),
            _ => return None,
        })
    }
}

/// Takes bytes from the front.
struct Reader {
    bytes: &'static [u8],
}

impl Reader {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    /// Little-endian, seven bits a byte.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for place in 0..9 {
            let byte = self.byte()?;
            number |= usize::from(byte & 127) << (7 * place);
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }

    /// A number that was shifted, so that it is not negative.
    fn bound(&mut self) -> Option<i64> {
        i64::try_from(self.number()?).ok().map(|number| number - (1 << 33))
    }

    fn take(&mut self, length: usize) -> Option<&'static [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn texts(&mut self) -> Option<Vec<&'static str>> {
        let count = self.number()?;
        let lengths = (0..count).map(|_| self.number()).collect::<Option<Vec<usize>>>()?;
        lengths.into_iter().map(|length| std::str::from_utf8(self.take(length)?).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Bundle, Node};

    #[test]
    fn every_type_can_be_read_and_its_fields_stand_in_order() {
        let bundle = Bundle::get();
        assert!(bundle.kinds().len() > 250, "{}", bundle.kinds().len());
        for number in 0..bundle.types.len() {
            let bytes = bundle.types[number].0;
            let of = bundle.read_type(bytes).unwrap();
            assert!(of.fields.is_sorted_by(|a, b| a.name < b.name), "{of:?}");
            for field in &of.fields {
                check(&field.node, bundle);
            }
        }
        for kind in bundle.kinds() {
            assert!(bundle.type_of(kind.of).field("kind").is_some(), "{kind:?}");
        }
    }

    fn check(node: &Node, bundle: &Bundle) {
        match node {
            Node::List(inner, _) | Node::Map(inner) => check(inner, bundle),
            Node::Object(number) => assert!(*number < bundle.types.len()),
            Node::Format(name) => assert!(crate::object::formats::known(name), "{name}"),
            _ => {}
        }
    }

    #[test]
    fn the_kinds_that_a_tree_uses_are_there() {
        for (version, kind) in [
            ("v1", "Service"),
            ("apps/v1", "Deployment"),
            ("argoproj.io/v1alpha1", "Application"),
            ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
            ("metallb.io/v1beta1", "IPAddressPool"),
            ("traefik.io/v1alpha1", "IngressRoute"),
            ("gateway.networking.k8s.io/v1", "HTTPRoute"),
            ("cilium.io/v2", "CiliumNetworkPolicy"),
            ("cilium.io/v2alpha1", "CiliumL2AnnouncementPolicy"),
            ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
            ("velero.io/v1", "Schedule"),
            ("volsync.backube/v1alpha1", "ReplicationSource"),
            ("external-secrets.io/v1", "ExternalSecret"),
            ("bitnami.com/v1alpha1", "SealedSecret"),
            ("cert-manager.io/v1", "Certificate"),
            ("monitoring.coreos.com/v1", "ServiceMonitor"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ] {
            assert!(Bundle::get().kind(version, kind).is_some(), "{version} {kind}");
        }
        assert!(Bundle::get().named("api.core.v1.SecurityContext").is_some());
    }

    #[test]
    fn a_broken_file_is_no_bundle() {
        let whole = super::PACKED;
        for end in [0, 3, 4, 5, 100, whole.len() / 2, whole.len() - 1] {
            assert!(Bundle::read(&whole[..end]).is_none());
        }
    }
}

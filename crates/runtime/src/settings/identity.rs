//! The identity of a Worker, which is not its name.

use serde_json::json;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use taffrail_store::Owner;

/// The identity of a Worker in its runtime.
///
/// An embedder makes the identity of a deployed Worker from its name. Only the runtime makes
/// those of user Workers and dynamic Workers, so no text that a Worker writes, sends or is named
/// by can be one of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Deployed(Arc<str>),
    User {
        namespace: Arc<str>,
        name: Arc<str>,
    },
    /// The number is unique among all dynamic Workers of the owner, across processes.
    Dynamic {
        owner: Arc<WorkerId>,
        number: u128,
    },
}

impl WorkerId {
    /// Returns the name that the Worker was deployed under. User Workers and dynamic Workers have
    /// none.
    #[must_use]
    pub fn deployed_name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Deployed(name) => Some(name),
            Kind::User { .. } | Kind::Dynamic { .. } => None,
        }
    }

    /// Returns the identity of a user Worker of a dispatch namespace.
    pub(crate) fn user(namespace: &str, name: &str) -> Self {
        Self(Kind::User {
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    /// Returns the identity of a new dynamic Worker of `owner`.
    pub(crate) fn new_dynamic(owner: &Self) -> Self {
        Self::dynamic(owner, rand::random())
    }

    fn dynamic(owner: &Self, number: u128) -> Self {
        Self(Kind::Dynamic {
            owner: Arc::new(owner.clone()),
            number,
        })
    }

    /// Returns the handle by which its owner refers to a dynamic Worker.
    pub(crate) fn handle(&self) -> Option<String> {
        match &self.0 {
            Kind::Dynamic { number, .. } => Some(format!("{number:032x}")),
            Kind::Deployed(_) | Kind::User { .. } => None,
        }
    }

    /// Returns the dynamic Worker that a handle of `owner` refers to. A handle never leads to a
    /// Worker of another owner.
    pub(crate) fn of_handle(owner: &Self, handle: &str) -> Option<Self> {
        let number = u128::from_str_radix(handle, 16).ok()?;
        Some(Self::dynamic(owner, number))
    }

    /// Returns the `scriptName` of the Worker's trace items.
    pub(crate) fn script_name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Deployed(name) | Kind::User { name, .. } => Some(name),
            Kind::Dynamic { .. } => None,
        }
    }

    /// Returns the namespace and the name of a user Worker.
    pub(crate) fn user_worker(&self) -> Option<(&str, &str)> {
        match &self.0 {
            Kind::User { namespace, name } => Some((namespace, name)),
            Kind::Deployed(_) | Kind::Dynamic { .. } => None,
        }
    }

    /// Whether another Worker made this one at run time.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self.0, Kind::Dynamic { .. })
    }

    /// Returns the owner of the Worker's data. A dynamic Worker is never found again once it is
    /// dropped, and neither is the data of its objects.
    pub(crate) fn data_owner(&self) -> Owner {
        let key = self.storage_key();
        if self.is_dynamic() {
            Owner::temporary(&key)
        } else {
            Owner::new(&key)
        }
    }

    /// Returns a text that is unique to this Worker.
    fn storage_key(&self) -> String {
        match &self.0 {
            Kind::Deployed(name) => json!([&**name]),
            Kind::User { namespace, name } => json!([&**namespace, &**name]),
            Kind::Dynamic { owner, number } => {
                json!([owner.storage_key(), "dynamic", format!("{number:032x}")])
            }
        }
        .to_string()
    }
}

impl<N: Into<Arc<str>>> From<N> for WorkerId {
    fn from(name: N) -> Self {
        Self(Kind::Deployed(name.into()))
    }
}

impl Display for WorkerId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Deployed(name) => f.write_str(name),
            Kind::User { namespace, name } => write!(f, "{namespace}/{name}"),
            Kind::Dynamic { owner, number } => write!(f, "{owner}/dynamic-{number:032x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_workers_share_the_key_of_their_data() {
        let maker = WorkerId::from("maker");
        let ids = [
            maker.clone(),
            WorkerId::from("a/b"),
            WorkerId::from("[\"a\",\"b\"]"),
            WorkerId::user("a", "b"),
            WorkerId::user("a/b", "c"),
            WorkerId::user("a", "b/c"),
            WorkerId::dynamic(&maker, 1),
            WorkerId::dynamic(&WorkerId::user("maker", "x"), 1),
        ];
        let keys: HashSet<_> = ids.iter().map(WorkerId::storage_key).collect();
        assert_eq!(keys.len(), ids.len());
    }

    #[test]
    fn a_handle_leads_to_a_worker_of_its_owner_only() {
        let (one, two) = (
            WorkerId::user("one", "alice"),
            WorkerId::user("two", "alice"),
        );
        let made = WorkerId::new_dynamic(&one);
        let handle = made.handle().unwrap();
        assert_eq!(WorkerId::of_handle(&one, &handle), Some(made.clone()));
        assert_ne!(WorkerId::of_handle(&two, &handle), Some(made));
        assert_eq!(WorkerId::of_handle(&one, "secret"), None);
    }
}

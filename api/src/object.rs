//! An object within a body. serde would also take a list of its values in the order of its keys.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A value that is written as an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::<String, Value>::deserialize(deserializer)?;
        T::deserialize(Value::Object(object)).map(Self).map_err(D::Error::custom)
    }
}

/// A key that may be `null` on purpose: `None` when it is not there, `Some(None)` when it is `null`.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pair {
        a: u64,
        #[serde(default, deserialize_with = "given")]
        b: Option<Option<String>>,
    }

    #[test]
    fn an_object_is_no_list_and_null_is_not_nothing() {
        let read = |text: &str| serde_json::from_str::<Object<Pair>>(text).ok().map(|Object(pair)| pair);
        assert_eq!(read("{\"a\":1}"), Some(Pair { a: 1, b: None }));
        assert_eq!(read("{\"a\":1,\"b\":null}"), Some(Pair { a: 1, b: Some(None) }));
        assert_eq!(read("{\"a\":1,\"b\":\"x\"}"), Some(Pair { a: 1, b: Some(Some("x".to_owned())) }));
        assert_eq!((read("[1,null]"), read("{\"a\":1,\"c\":2}"), read("{}"), read("1")), (None, None, None, None));
    }
}

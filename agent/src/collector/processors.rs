//! Processors, as v0 describes them.

/// v0's text for each processor model: clients read the number from it.
pub(super) fn processors(models: impl IntoIterator<Item = String>, is_virtual: bool) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for model in models {
        match counted.iter_mut().find(|(known, _)| *known == model) {
            Some((_, count)) => *count += 1,
            None => counted.push((model, 1)),
        }
    }
    let kind = if is_virtual { "Virtual" } else { "Physical" };
    counted.into_iter().map(|(model, count)| format!("{model} {count} {kind} Core")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_told_as_v0_told_them() {
        let models = || ["A".to_owned(), "B".to_owned(), "A".to_owned()];
        assert_eq!(processors(models(), false), ["A 2 Physical Core", "B 1 Physical Core"]);
        assert_eq!(processors(models(), true), ["A 2 Virtual Core", "B 1 Virtual Core"]);
    }
}

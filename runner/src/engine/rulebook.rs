//! The rules that were compiled last.

use std::sync::{Arc, Mutex, PoisonError};

use message::verdict::{RuleError, RuleRow, Rules};

/// Compiling the rules takes 20 to 30 ms, in which a campaign would wait for its first mail, and they seldom change.
#[derive(Default)]
pub struct Rulebook(Mutex<Option<(Vec<RuleRow>, Arc<Rules>)>>);

impl Rulebook {
    /// # Errors
    /// One of them is none that this runner understands.
    pub fn rules(&self, rows: &[RuleRow]) -> Result<Arc<Rules>, RuleError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, rules)) = last.as_ref().filter(|(known, _)| known == rows) {
            return Ok(rules.clone());
        }
        let rules = Arc::new(Rules::compile(rows)?);
        *last = Some((rows.to_vec(), rules.clone()));
        Ok(rules)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(verdict: &str) -> RuleRow {
        RuleRow {
            id: 1,
            phase: None,
            code: Some("4..".to_owned()),
            enhanced: None,
            reply: None,
            verdict: verdict.to_owned(),
            class: "rate".to_owned(),
        }
    }

    #[test]
    fn rules_are_compiled_again_when_they_changed() {
        let book = Rulebook::default();
        let first = book.rules(&[row("defer")]).unwrap();
        assert!(Arc::ptr_eq(&first, &book.rules(&[row("defer")]).unwrap()));
        assert!(!Arc::ptr_eq(&first, &book.rules(&[row("fail")]).unwrap()));
        assert!(book.rules(&[row("sent")]).is_err());
        assert!(book.rules(&[row("fail")]).is_ok());
    }
}

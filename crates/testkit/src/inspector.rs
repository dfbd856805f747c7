//! A machine that says what a test wants.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leadsman_core::checklist::Check;
use leadsman_engine::{BoxFuture, Inspector};

/// A machine on which everything holds but what a test says does not.
#[derive(Clone, Debug, Default)]
pub struct FakeInspector(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    failing: BTreeMap<Check, String>,
    hanging: bool,
    asked: Vec<Check>,
}

impl FakeInspector {
    /// From now on this does not hold, or holds again.
    pub fn fail(&self, check: &Check, why: Option<&str>) {
        let mut state = self.state();
        match why {
            Some(why) => state.failing.insert(check.clone(), why.to_owned()),
            None => state.failing.remove(check),
        };
    }

    /// From now on nothing is found out, or everything is again.
    pub fn hang(&self, hanging: bool) {
        self.state().hanging = hanging;
    }

    /// Returns what was asked, in order.
    pub fn asked(&self) -> Vec<Check> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inspector for FakeInspector {
    fn inspect<'a>(&'a self, check: &'a Check) -> BoxFuture<'a, Result<String, String>> {
        let (hanging, failing) = {
            let mut state = self.state();
            state.asked.push(check.clone());
            (state.hanging, state.failing.get(check).cloned())
        };
        Box::pin(async move {
            if hanging {
                std::future::pending::<()>().await;
            }
            failing.map_or_else(|| Ok(format!("{check}")), Err)
        })
    }
}

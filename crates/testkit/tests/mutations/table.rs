//! The mistakes.

/// A mistake: a piece of a source file that becomes another one.
pub(crate) struct Mutation {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The file, below `crates`.
    pub(crate) file: &'static str,
    /// An expression or a statement that stands there once.
    from: &'static str,
    /// What becomes of it.
    to: &'static str,
}

impl Mutation {
    /// Returns `text` with the mistake in it, made where it is chosen.
    pub(crate) fn applied_to(&self, text: &str) -> String {
        let Self {
            name,
            from,
            to,
            file,
            ..
        } = self;
        let count = text.matches(from).count();
        assert_eq!(count, 1, "`{name}`: in {file} stands {count} times: {from}");
        let chosen = format!("if crate::mutated(\"{name}\") {{ {to} }} else {{ {from} }}");
        let is_statement = from.ends_with(';') || from.ends_with('}');
        let chosen = if is_statement {
            chosen
        } else {
            format!("({chosen})")
        };
        text.replace(from, &chosen)
    }
}

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "nobody's consent is needed",
        file: "core/src/entry/consent.rs",
        from: "self.lacking.is_empty() && self.given.len() >= self.needed",
        to: "true",
    },
    Mutation {
        name: "votes count of whoever gave them",
        file: "core/src/entry/consent.rs",
        from: "people.standing_rights(&name).may(Act::Approve, &about)",
        to: "true",
    },
    Mutation {
        name: "a freeze keeps nothing out",
        file: "core/src/entry/freeze.rs",
        from: "self.is_on(now) && !self.except.contains(&release)",
        to: "false",
    },
    Mutation {
        name: "a migration that runs counts as done",
        file: "core/src/migration/fold.rs",
        from: "MigrationStage::Running { since: at }",
        to: "MigrationStage::Done",
    },
    Mutation {
        name: "a migration that failed counts as done",
        file: "core/src/migration/fold.rs",
        from: "failure.is_some()",
        to: "false",
    },
    Mutation {
        name: "every program works with every schema",
        file: "core/src/migration/mod.rs",
        from: "(self.from..=self.to).contains(&schema)",
        to: "true",
    },
    Mutation {
        name: "nothing is looked at before all traffic",
        file: "core/src/plan/facts.rs",
        from: "!rollout.is_last(step) || self.holds_back().is_empty()",
        to: "true",
    },
    Mutation {
        name: "a weight counts as acknowledged at once",
        file: "core/src/plan/facts.rs",
        from: "weight >= rollout.weight() && self.in_force(name) == Some(decided)",
        to: "true",
    },
    Mutation {
        name: "time alone ends a step",
        file: "core/src/plan/facts.rs",
        from: "over(since + soak) && verdict.outcome == Outcome::Pass",
        to: "over(since + soak)",
    },
    Mutation {
        name: "a verdict of fail is not heard",
        file: "core/src/plan/facts.rs",
        from: "verdict.filter(|verdict| verdict.outcome == Outcome::Fail)",
        to: "verdict.filter(|_| false)",
    },
    Mutation {
        name: "a pause holds nothing",
        file: "core/src/plan/facts.rs",
        from: "self.deployment.paused.is_some()",
        to: "false",
    },
    Mutation {
        name: "services wait for nobody",
        file: "core/src/plan/facts.rs",
        from: "!matches!(needed.stage, Stage::Promoted { .. })",
        to: "false",
    },
    Mutation {
        name: "what was queued is forgotten",
        file: "core/src/plan/facts.rs",
        from: "&self.environment.queued",
        to: "&None",
    },
    Mutation {
        name: "what is not ready gets requests",
        file: "core/src/plan/capacity.rs",
        from: "is_ready(seen) || (serves && runs && seen.address.is_some())",
        to: "true",
    },
    Mutation {
        name: "what served is not kept warm",
        file: "core/src/plan/capacity.rs",
        from: "rollout.strategy.keep_warm.is_zero()",
        to: "true",
    },
    Mutation {
        name: "what has requests may be removed",
        file: "core/src/plan/workloads.rs",
        from: "routes.instances.contains(id) || routes.unsaved.is_some()",
        to: "false",
    },
    Mutation {
        name: "what is not saved counts as acknowledged",
        file: "core/src/plan/workloads.rs",
        from: "routes.instances.contains(id) || routes.unsaved.is_some()",
        to: "routes.instances.contains(id)",
    },
    Mutation {
        name: "nothing is waited for to drain",
        file: "core/src/plan/workloads.rs",
        from: "draining.in_flight == 0 || patience.is_none_or(|drain| waited >= drain + CUT_SHORT_WITHIN)",
        to: "true",
    },
    Mutation {
        name: "a silent data plane routes nothing",
        file: "core/src/plan/workloads.rs",
        from: "// Nobody says that it gets no requests.\n        return false;",
        to: "return true;",
    },
    Mutation {
        name: "the weight of a side that is not there is lost",
        file: "core/src/plan/routes.rs",
        from: "side.weight.hundredths() + missing",
        to: "side.weight.hundredths()",
    },
    Mutation {
        name: "a rejected release comes in again",
        file: "core/src/decide.rs",
        from: "return Err(Refusal::Rejected {\n            release,\n            cause: cause.clone(),\n        });",
        to: "drop(cause.clone());",
    },
    Mutation {
        name: "a second deployment begins beside the first",
        file: "core/src/decide.rs",
        from: "return vec![ended, start(&after, next)];",
        to: "return vec![start(&after, next)];",
    },
    Mutation {
        name: "what was not recorded is done",
        file: "engine/src/actor.rs",
        from: "self.tools.log.append(append).await?",
        to: "self.tools.log.append(append).await.unwrap_or_default()",
    },
    Mutation {
        name: "routes carry no version",
        file: "engine/src/actor.rs",
        from: "plane\n            .apply(&self.state.id, self.state.version, routes)\n            .await",
        to: "plane.apply(&self.state.id, u64::MAX, routes).await",
    },
    Mutation {
        name: "what should run carries no version",
        file: "engine/src/actor.rs",
        from: "runtime.apply(&self.state.id, self.state.version, workloads)",
        to: "runtime.apply(&self.state.id, u64::MAX, workloads)",
    },
    Mutation {
        name: "an effect that was lost is not repeated",
        file: "engine/src/actor.rs",
        from: "is_told && runs(workloads, &self.observed)",
        to: "is_told",
    },
    Mutation {
        name: "routes that are not in force are not repeated",
        file: "engine/src/actor.rs",
        from: "is_told && in_force(routes, self.observed.routes.as_ref())",
        to: "is_told",
    },
    Mutation {
        name: "evidence is kept after the verdict",
        file: "engine/src/actor.rs",
        from: "// What a verdict rests on is kept before the verdict is recorded.\n        self.keep().await;",
        to: "",
    },
    Mutation {
        name: "judges are not told again what they knew",
        file: "engine/src/actor.rs",
        from: "self.judging.restore(&deployment, service, at, &told, last);",
        to: "_ = (&deployment, service, at, &told, last);",
    },
    Mutation {
        name: "windows are told twice after a restart",
        file: "engine/src/judging.rs",
        from: "!sides.fresh && seat.knows(sides)",
        to: "false",
    },
    Mutation {
        name: "moments are taken as others tell them",
        file: "engine/src/moments.rs",
        from: "(from..=now).contains(&told)",
        to: "true",
    },
];

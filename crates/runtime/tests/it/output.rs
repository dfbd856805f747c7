//! Captured output.

use std::fs;

use leadsman_core::workload::InstanceState::Restarting;
use leadsman_runtime::{ReadFrom, Runtime as _};

use crate::world::{World, is, output_with, script, service};

#[tokio::test]
async fn output_is_captured_line_by_line_rotated_and_followed() {
    let world = World::with(|config| {
        config.log_rotate_bytes = 100_000;
        config.log_keep = 2;
    })
    .await;
    world.want(1, &service(&["--print-lines", "20000"])).await;
    world.until_ready().await;
    output_with(&world, "opened 0 files").await;
    let id = world.id(1);
    // Only the last parts are left, and every line of them is whole and in order.
    let mut offset = 0;
    let mut lines = Vec::new();
    loop {
        let output = world
            .runtime()
            .output(&id, ReadFrom::Offset(offset))
            .await
            .unwrap();
        if output.text.is_empty() {
            break;
        }
        offset = output.next;
        lines.extend(output.text.lines().map(str::to_owned));
    }
    assert_eq!(lines.pop().unwrap(), "opened 0 files, ate 0 MiB");
    assert!((2_000..4_500).contains(&lines.len()), "{}", lines.len());
    let first = 20_000 - lines.len();
    for (line, number) in lines.iter().zip(first..) {
        assert_eq!(*line, format!("line {number:08} {}", "x".repeat(80)));
    }
    let files = fs::read_dir(world.state().join("logs").join(id.as_str()))
        .unwrap()
        .count();
    assert_eq!(files, 3);
    // It outlives the instance.
    world.want(0, &service(&[])).await;
    world.until_all("nothing", |all| all.is_empty()).await;
    let rest = world
        .runtime()
        .output(&id, ReadFrom::Offset(offset))
        .await
        .unwrap();
    assert_eq!(rest.text, "asked to end\n");
    world.end().await;
}

#[tokio::test]
async fn an_early_end_is_told_with_its_last_words() {
    let world = World::new().await;
    let script = script("echo one; printf '\\033[31mthree\\n' >&2; printf four; exit 7");
    world.want(1, &script).await;
    let seen = world.until("restarting", is(Restarting)).await;
    let detail = seen.detail.unwrap();
    let (exit, lines) = detail.split_once("; its last output: ").unwrap();
    assert_eq!(exit, "exited with status 7");
    // The two streams are two pipes, so only the order within each is certain.
    let mut lines: Vec<_> = lines.split(" | ").collect();
    assert_eq!(lines.len(), 3);
    lines.sort_unstable();
    assert!(
        lines.contains(&"four") && lines.contains(&"[31mthree"),
        "{lines:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn an_instance_has_its_own_environment_and_no_other() {
    let world = World::new().await;
    let mut web = script("env | sort; echo end; while :; do sleep 1; done");
    web.spec
        .env
        .insert("GREETING".to_owned(), "hello $PORT".to_owned());
    web.spec.env.insert("PORT".to_owned(), "80".to_owned());
    world.want(1, &web).await;
    let seen = world.until_ready().await;
    let text = output_with(&world, "end").await;
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    for name in &names {
        assert!(
            [
                "GREETING",
                "HOME",
                "HOST",
                "LANG",
                "LEADSMAN_APPLICATION",
                "LEADSMAN_ENVIRONMENT",
                "LEADSMAN_INSTANCE",
                "LEADSMAN_RELEASE",
                "LEADSMAN_SERVICE",
                "LEADSMAN_SHIM",
                "OLDPWD",
                "PATH",
                "PORT",
                "PWD",
                "SHLVL",
                "TEST_FOLDER",
                "TMPDIR",
                "TZ",
                "_",
            ]
            .contains(name),
            "{name}"
        );
    }
    for line in [
        format!("PORT={}", seen.address.unwrap().port()),
        "GREETING=hello $PORT".to_owned(),
        "LEADSMAN_INSTANCE=shop.production.web.r1.d1.1".to_owned(),
        "LEADSMAN_RELEASE=1".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    world.end().await;
}

//! The page of a service, as a browser asks for it.

use leadsman_core::id::InstanceId;

use crate::browser::{Browser, PAGE};
use crate::served::{Served, shipment};

const SERVICE: &str = "/environments/shop/production/services/web";

/// Serves an environment whose instances have written something, and returns one of them.
async fn written() -> (Served, InstanceId) {
    let served = Served::start().await;
    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first");
    served.world.until_settled().await;
    let status = served.client.environment("shop", "production").await;
    let service = status.expect("it is there").services.remove(0);
    let instance = service.stable.expect("it serves").instances.remove(0);
    let id = InstanceId::from_text(instance.id);
    served.shelf.writes(&id, "listening");
    served.shelf.writes(&id, "<script>alert(1)</script>");
    (served, id)
}

#[tokio::test]
async fn a_service_is_shown_with_its_instances_and_what_they_write() {
    let (served, id) = written().await;
    let mia = Browser::signed_in(&served, "mia", "viewer").await;
    let page = mia.get(PAGE).await;
    assert!(
        page.body.contains(&format!("href=\"{SERVICE}\"")),
        "{}",
        page.body
    );
    let page = mia.get(SERVICE).await;
    assert_eq!(page.status, 200, "{page:?}");
    for there in [
        "web in shop/production",
        &format!("<code>{id}</code>"),
        "ready",
        "<h2>Traffic</h2>",
        "listening",
        "&#60;script&#62;",
        &format!("data-live=\"{SERVICE}/live\""),
    ] {
        assert!(page.body.contains(there), "{there}: {}", page.body);
    }
    assert!(!page.body.contains("<script>alert"));

    // One that does not run any more is shown when it is chosen.
    let old = InstanceId::from_text("shop.production.web.r1.d1.77");
    served.shelf.writes(&old, "goodbye");
    let other = InstanceId::from_text("shop.staging.web.r1.d1.1");
    served.shelf.writes(&other, "of elsewhere");
    let page = mia.get(SERVICE).await;
    assert!(!page.body.contains("goodbye"), "{}", page.body);
    let path = format!("{SERVICE}?instance={old}");
    assert!(page.body.contains(&path), "{}", page.body);
    let page = mia.get(&path).await;
    assert!(page.body.contains("goodbye"), "{}", page.body);
    assert!(!page.body.contains("listening"), "{}", page.body);
    let page = mia.get(&format!("{SERVICE}?instance={other}")).await;
    assert!(!page.body.contains("of elsewhere"), "{}", page.body);
    for path in [
        "/environments/shop/production/services/none",
        "/environments/shop/nowhere/services/web",
    ] {
        assert_eq!(mia.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_a_service_writes_comes_while_its_page_is_looked_at() {
    let (served, id) = written().await;
    let mia = Browser::signed_in(&served, "mia", "viewer").await;
    let mut live = mia.listen(&format!("{SERVICE}/live")).await;
    live.until("listening").await;
    served.shelf.writes(&id, "another line");
    live.until("another line").await;
}

//! How the data plane is set up to allocate memory.

use std::fs;

use crate::program::Place;

#[test]
fn the_data_plane_begins_anew_with_settings_for_memory_and_keeps_its_name() {
    let place = Place::new();
    let mut proxy = place.start(&["--state", "state", "proxy"]);
    let process = format!("/proc/{}", proxy.id());
    let socket = place.path().join("state").join("proxy.sock");
    // It makes the socket after it has begun anew.
    while !socket.exists() {
        assert!(proxy.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    let environment = fs::read(format!("{process}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(
        environment.contains("GLIBC_TUNABLES=glibc.malloc.trim_threshold="),
        "{environment}"
    );
    let name = fs::read_to_string(format!("{process}/comm")).unwrap();
    assert_eq!(name.trim_end(), "leadsman");
    proxy.kill().unwrap();
    proxy.wait().unwrap();
}

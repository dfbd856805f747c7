//! The real program with real processes and real sockets: what a person does, and what happens to
//! a machine.

mod certificate;
mod client;
mod machine;
mod processes;
mod prometheus;
mod random;
mod service;
mod small_disk;
mod story;
mod streaming;
mod users;

mod baseline;
mod budget;
mod by_hand;
mod crash;
mod delivery;
mod ends;
mod entering;
mod evidence;
mod files;
mod full_disk;
mod gap;
mod kept;
mod log;
mod login;
mod metrics;
mod moving;
mod newer;
mod observing;
mod output;
mod people;
mod pipeline;
mod port;
mod refused;
mod replay;
mod shared_folder;
mod shipping;
mod streams;
mod torture;
mod traffic;
mod tripwire;
mod upgrade;
mod waiting;
mod webhooks;

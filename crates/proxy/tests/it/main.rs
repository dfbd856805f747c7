//! The data plane as its users see it: real sockets, a whole proxy on its own threads.

#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

mod acme;
mod closed;
mod conformance;
mod control;
mod counting;
mod draining;
mod edge;
mod exhausting;
mod exposition;
mod floods;
mod forwarding;
mod frames;
mod goodbyes;
mod grpc;
mod health;
mod http2;
mod instances;
mod limits;
mod metrics;
mod mirror;
mod misbehaving;
mod observing;
mod pebble;
mod persistence;
mod protocol;
mod random;
mod resting;
mod routing;
mod secure;
mod service;
mod shim;
mod slow;
mod smuggling;
mod split;
mod sticky;
mod succession;
mod tls;
mod tracing;
mod tripwire;
mod turns;
mod unix;
mod upstream_http2;
mod world;

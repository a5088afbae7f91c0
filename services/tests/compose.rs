//! `docker-compose.yml` says what it is meant to say. No image can be pulled where the tests run, so it is read
//! by a parser of the format.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

use std::fs;
use std::path::Path;

use docker_compose_types::{AdvancedBuildStep, Compose, Healthcheck, Service};

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

fn services() -> Vec<(String, Service)> {
    let compose: Compose = serde_yaml::from_str(&file("docker-compose.yml")).unwrap();
    let services = compose.services.0.into_iter();
    services.map(|(name, service)| (name, service.expect("a service says what it is"))).collect()
}

/// Those that end by themselves.
fn is_errand(name: &str) -> bool {
    name.ends_with("token")
}

#[test]
fn every_service_is_bounded_watched_and_of_one_version() {
    let services = services();
    let names: Vec<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["token", "show-token", "smartpulse", "replica", "postgres", "redis", "pulsar"]
    );
    for (name, service) in &services {
        let image = service.image.as_deref().unwrap();
        let tag = image.rsplit_once(':').expect("an image names its version").1;
        assert!(
            tag != "latest" && tag.starts_with(|first: char| first.is_ascii_digit()),
            "{image}"
        );
        let limits = service.deploy.as_ref().and_then(|deploy| deploy.resources.as_ref());
        let limits = limits.and_then(|resources| resources.limits.as_ref()).unwrap();
        assert!(limits.memory.is_some() && limits.cpus.is_some(), "{name}");
        if !is_errand(name) {
            let Some(Healthcheck { test: Some(_), retries, disable: false, .. }) =
                &service.healthcheck
            else {
                panic!("{name} is not watched")
            };
            assert!(*retries > 0, "{name}");
            assert_eq!(service.restart.as_deref(), Some("unless-stopped"), "{name}");
        }
    }
}

#[test]
fn the_platform_runs_without_rights_on_a_root_it_cannot_write() {
    let services = services();
    let named = |wanted: &str| &services.iter().find(|(name, _)| name == wanted).unwrap().1;
    let own = named("smartpulse");
    for ours in [own, named("replica")] {
        assert!(ours.read_only);
        assert_eq!(ours.user.as_deref(), Some("65532:65532"));
        assert_eq!(ours.cap_drop, ["ALL"]);
        assert_eq!(ours.image, own.image);
    }
    let docker = file("Dockerfile");
    let last = docker.rsplit_once("\nFROM ").unwrap().1;
    assert!(last.contains("USER 65532:65532"), "the image has the same user");
    assert!(!last.contains("RUN "), "it has no shell");
    let rust = format!("rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(docker.contains(&rust), "it is built by the project's Rust");
    // Doors are open to this machine alone, whatever the network is.
    for ours in [own, named("replica")] {
        let docker_compose_types::Ports::Short(ports) = &ours.ports else { panic!("no ports") };
        assert!(ports.iter().all(|port| port.starts_with("127.0.0.1:")), "{ports:?}");
    }
    let build = own.build_.as_ref().unwrap();
    let simple = matches!(build, docker_compose_types::BuildStep::Simple(path) if path == ".");
    let is_here = |step: &AdvancedBuildStep| step.context == ".";
    let advanced =
        matches!(build, docker_compose_types::BuildStep::Advanced(step) if is_here(step));
    assert!(simple || advanced);
}

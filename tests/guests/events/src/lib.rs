//! A Worker for cron triggers and queues.

wit_bindgen::generate!({
    inline: "
        package taffrail-tests:events;
        world events {
            export taffrail:workers/scheduled@0.2.0;
            export taffrail:workers/queue@0.2.0;
        }
    ",
    path: "../../../wit",
    world: "taffrail-tests:events/events",
    generate_all,
});

use exports::taffrail::workers::queue::{Guest as Queue, Message};
use exports::taffrail::workers::scheduled::{Guest as Scheduled, ScheduledEvent};

struct Worker;

export!(Worker);

impl Scheduled for Worker {
    fn scheduled(event: ScheduledEvent) {
        println!("{} was due at {}", event.cron, event.scheduled_time);
    }
}

impl Queue for Worker {
    fn queue(queue: String, messages: Vec<Message>) {
        for message in messages {
            println!("{queue}: {} {}", message.id, message.body);
        }
    }
}

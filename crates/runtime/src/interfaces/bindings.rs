//! Generated from `wit/`.

wasmtime::component::bindgen!({
    inline: "
        package taffrail:host;
        world tail-worker {
            import wasi:logging/logging@0.1.0-draft;
            import taffrail:workers/console@0.2.0;
            import taffrail:workers/diagnostics-channel@0.2.0;
            import taffrail:workers/exceptions@0.2.0;
            import taffrail:workers/context@0.2.0;
            export taffrail:workers/tail@0.2.0;
        }
    ",
    path: "../../wit",
    imports: { default: trappable },
    exports: { default: async },
    with: {
        "taffrail:workers/types.raw-request": crate::interfaces::host::RawRequest,
    },
});

/// Workers that cron triggers start.
pub(crate) mod scheduled {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world scheduled-worker { export taffrail:workers/scheduled@0.2.0; }
        ",
        path: "../../wit",
        exports: { default: async },
        with: {
            "taffrail:workers/types": crate::interfaces::bindings::taffrail::workers::types,
        },
    });
}

/// Workers that consume queues.
pub(crate) mod queue {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world queue-worker { export taffrail:workers/queue@0.2.0; }
        ",
        path: "../../wit",
        exports: { default: async },
        with: {
            "taffrail:workers/types": crate::interfaces::bindings::taffrail::workers::types,
        },
    });
}

/// The engine component that runs scripts.
pub(crate) mod javascript {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world engine {
                import taffrail:javascript/host@0.1.0;
                export taffrail:javascript/script@0.1.0;
            }
        ",
        path: ["../../wit", "../javascript/engine/wit"],
        imports: {
            "taffrail:javascript/host.storage": async | trappable,
            "taffrail:javascript/host.write-data-point": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "taffrail:workers/types": crate::interfaces::bindings::taffrail::workers::types,
        },
    });
}

/// What a component may use by its bindings.
pub(crate) mod platform {
    wasmtime::component::bindgen!({
        inline: "
            package taffrail:host;
            world platform {
                import taffrail:workers/services@0.2.0;
                import taffrail:workers/analytics@0.2.0;
                import taffrail:workers/dispatch@0.2.0;
                import taffrail:workers/loader@0.2.0;
                import wasi:keyvalue/store@0.2.0-draft2;
            }
        ",
        path: "../../wit",
        imports: {
            "taffrail:workers/dispatch.get": async | trappable,
            "taffrail:workers/loader.find": async | trappable,
            "taffrail:workers/loader.load": async | trappable,
            "taffrail:workers/loader.[method]records.next": async | trappable,
            "taffrail:workers/analytics.write-data-point": async | trappable,
            "wasi:keyvalue/store.[method]bucket.get": async | trappable,
            "wasi:keyvalue/store.[method]bucket.set": async | trappable,
            "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
            "wasi:keyvalue/store.[method]bucket.exists": async | trappable,
            "wasi:keyvalue/store.[method]bucket.list-keys": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        with: {
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:keyvalue/store.bucket": crate::interfaces::keyvalue::Bucket,
            "taffrail:workers/types": crate::interfaces::bindings::taffrail::workers::types,
            "taffrail:workers/dispatch.user-worker": crate::interfaces::dynamic::UserWorker,
            "taffrail:workers/loader.dynamic-worker": crate::interfaces::dynamic::DynamicWorker,
            "taffrail:workers/loader.records": crate::interfaces::dynamic::Records,
        },
    });
}

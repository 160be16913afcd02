//! The built files of the pages. Made by `build.mjs`, which is in `../web`: do not edit it.

use crate::pages::BuiltFile;

/// The page, compressed.
pub(crate) const INDEX: &[u8] = include_bytes!("index.html.gz");

/// All other files.
pub(crate) const FILES: &[BuiltFile] = &[
    BuiltFile {
        name: "channels-35TIQ2YT.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("channels-35TIQ2YT.js.gz"),
    },
    BuiltFile {
        name: "chunk-D7TBC4O6.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-D7TBC4O6.js.gz"),
    },
    BuiltFile {
        name: "chunk-EA24KAHB.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-EA24KAHB.js.gz"),
    },
    BuiltFile {
        name: "chunk-FL3LWTT6.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-FL3LWTT6.js.gz"),
    },
    BuiltFile {
        name: "chunk-IF74UZE5.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-IF74UZE5.js.gz"),
    },
    BuiltFile {
        name: "chunk-KREWTLJM.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-KREWTLJM.js.gz"),
    },
    BuiltFile {
        name: "chunk-MUHJO2LD.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-MUHJO2LD.js.gz"),
    },
    BuiltFile {
        name: "chunk-SLBFUDSG.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-SLBFUDSG.js.gz"),
    },
    BuiltFile {
        name: "chunk-YZB5GHXO.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-YZB5GHXO.js.gz"),
    },
    BuiltFile {
        name: "deadletters-DVLHCSLU.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("deadletters-DVLHCSLU.js.gz"),
    },
    BuiltFile {
        name: "icon-BHLHY764.svg",
        content_type: "image/svg+xml",
        gzip: include_bytes!("icon-BHLHY764.svg.gz"),
    },
    BuiltFile {
        name: "inbox-GCTRYGZX.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("inbox-GCTRYGZX.js.gz"),
    },
    BuiltFile {
        name: "items-7JIUV3L2.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("items-7JIUV3L2.js.gz"),
    },
    BuiltFile {
        name: "main-RX7FMA4B.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("main-RX7FMA4B.js.gz"),
    },
    BuiltFile {
        name: "mediaworker-VUPJ33BC.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("mediaworker-VUPJ33BC.js.gz"),
    },
    BuiltFile {
        name: "messages-ZMUGOC6J.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("messages-ZMUGOC6J.js.gz"),
    },
    BuiltFile {
        name: "overview-JWKY7K65.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("overview-JWKY7K65.js.gz"),
    },
    BuiltFile {
        name: "settings-DZ5IGSGK.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("settings-DZ5IGSGK.js.gz"),
    },
    BuiltFile {
        name: "sources-DQKJQNR7.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("sources-DQKJQNR7.js.gz"),
    },
    BuiltFile {
        name: "style-OKAZOEAQ.css",
        content_type: "text/css; charset=utf-8",
        gzip: include_bytes!("style-OKAZOEAQ.css.gz"),
    },
    BuiltFile {
        name: "uPlot.esm-ULJJVTMH.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("uPlot.esm-ULJJVTMH.js.gz"),
    },
    BuiltFile {
        name: "usage-DOJBJEX6.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("usage-DOJBJEX6.js.gz"),
    },
];

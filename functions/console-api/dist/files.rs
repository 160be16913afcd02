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
        name: "chunk-IF74UZE5.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-IF74UZE5.js.gz"),
    },
    BuiltFile {
        name: "chunk-MUHJO2LD.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-MUHJO2LD.js.gz"),
    },
    BuiltFile {
        name: "chunk-PSUSJVPL.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-PSUSJVPL.js.gz"),
    },
    BuiltFile {
        name: "chunk-QMJ6GCVJ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-QMJ6GCVJ.js.gz"),
    },
    BuiltFile {
        name: "chunk-SLBFUDSG.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-SLBFUDSG.js.gz"),
    },
    BuiltFile {
        name: "chunk-SP4K3Y7O.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-SP4K3Y7O.js.gz"),
    },
    BuiltFile {
        name: "deadletters-GYFNOWX3.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("deadletters-GYFNOWX3.js.gz"),
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
        name: "items-BW2OOZ77.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("items-BW2OOZ77.js.gz"),
    },
    BuiltFile {
        name: "main-VZMVRFT7.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("main-VZMVRFT7.js.gz"),
    },
    BuiltFile {
        name: "mediaworker-VUPJ33BC.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("mediaworker-VUPJ33BC.js.gz"),
    },
    BuiltFile {
        name: "messages-TVCQBAXJ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("messages-TVCQBAXJ.js.gz"),
    },
    BuiltFile {
        name: "overview-YQU2JOQH.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("overview-YQU2JOQH.js.gz"),
    },
    BuiltFile {
        name: "settings-VSUU4FRR.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("settings-VSUU4FRR.js.gz"),
    },
    BuiltFile {
        name: "sources-7CFXH622.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("sources-7CFXH622.js.gz"),
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

// node compile.cjs PACKAGE INPUT OUTPUT: one standard JSON through the compiler that PACKAGE holds ("solc-0.8.19").
"use strict";

const fs = require("node:fs");

const [name, input, output] = process.argv.slice(2);
fs.writeFileSync(output, require(name).compile(fs.readFileSync(input, "utf8")));

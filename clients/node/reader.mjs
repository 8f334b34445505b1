// DuckDB's client for Node.js: every table, the comments, and a new release.
// Run as `node reader.mjs PUBLISHED NEXT`: NEXT is a database whose release is to take the place of a copy.

import { DuckDBInstance } from "@duckdb/node-api";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const say = (claim, holds, seen = "") => console.log(JSON.stringify({ claim, holds, seen: String(seen) }));
const readOnly = { access_mode: "READ_ONLY" };

async function rows(file, query) {
  const instance = await DuckDBInstance.create(file, readOnly);
  const connection = await instance.connect();
  const found = (await connection.runAndReadAll(query)).getRows();
  connection.closeSync();
  instance.closeSync();
  return found;
}

const [published, next] = process.argv.slice(2);
const database = join(published, "city_index.duckdb");
const counts = JSON.parse(readFileSync(join(published, "manifest.json"), "utf8")).tables;
let right = 0;
for (const [table, count] of Object.entries(counts)) {
  right += (await rows(database, `select * from "${table}"`)).length === count;
}
const tables = Object.keys(counts).length;
say("reads every row of every table", right === tables, `${right} of ${tables} tables`);
const [[bare]] = await rows(database, "select count(*) from duckdb_columns() where not internal and comment is null");
say("shows a comment on every column", Number(bare) === 0);

const scratch = mkdtempSync(join(tmpdir(), "city-index-"));
try {
  const copy = join(scratch, "city_index.duckdb");
  const asked = "select release_id from meta_release";
  copyFileSync(database, copy);
  const kept = await DuckDBInstance.create(copy, readOnly);
  const connection = await kept.connect();
  const [[old]] = (await connection.runAndReadAll(asked)).getRows();
  copyFileSync(next, `${copy}.next`);
  renameSync(`${copy}.next`, copy);
  const [[still]] = (await connection.runAndReadAll(asked)).getRows();
  say("keeps the old release on an open connection", still === old);
  connection.closeSync();
  kept.closeSync();
  const [[seen]] = await rows(copy, asked);
  say("sees the new release over a new instance", seen !== old, seen);
} finally {
  rmSync(scratch, { recursive: true });
}

// The report site of a release in headless Chromium, opened from disk.
// Run as `node pages.mjs PUBLISHED CHROMIUM PICTURES`: PICTURES is a folder for a picture of each page at three widths.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [published, executablePath, pictures] = process.argv.slice(2);
const say = (claim, holds, seen = "") => console.log(JSON.stringify({ claim, holds, seen: String(seen) }));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const address = (page) => pathToFileURL(join(published, "report", page)).href;
const widths = [390, 820, 1280];

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const problems = [];
const requests = [];
context.on("console", (message) => message.type() === "error" && problems.push(message.text()));
context.on("weberror", (error) => problems.push(String(error.error())));
context.on("request", (request) => request.url().startsWith("file:") || request.url().startsWith("data:") || requests.push(request.url()));
context.on("requestfailed", (request) => problems.push(`not loaded: ${request.url()}`));
const page = await context.newPage();

// The front page, as a reader uses it.
await page.goto(address("index.html"));
const all = await page.locator("#ranking tbody tr").count();
const shown = () => page.locator("#ranking tbody tr:not([hidden])").count();
say("the front page lists cities", all > 0, `${all} rows`);
const title = await page.locator("h1").innerText();
say("Chinese text is drawn with a font that has it", await drawsChinese(), title);

const first = await page.locator("#ranking tbody th a").first().innerText();
await page.locator("[data-search]").first().fill(first);
const found = await shown();
say("search narrows the ranking", found > 0 && found < all, `${first}: ${found} of ${all}`);
await page.locator("form[data-tools=ranking] button[type=reset]").click();
await page.waitForFunction((count) => document.querySelectorAll("#ranking tbody tr:not([hidden])").length === count, all);
for (const filter of await page.locator("form[data-tools=ranking] select").all()) {
  const name = await filter.getAttribute("data-filter");
  const value = await filter.locator("option").nth(1).getAttribute("value");
  await filter.selectOption(value);
  const rows = await page.locator(`#ranking tbody tr:not([hidden])`).evaluateAll((list, key) => list.map((row) => row.dataset[key]), name);
  say(`filter by ${name}`, rows.length > 0 && rows.every((each) => each === value), `${value}: ${rows.length} of ${all}`);
  await filter.selectOption("");
}
const column = page.locator("#ranking thead th[data-sort]").nth(3);
await column.getByRole("button").focus();
await page.keyboard.press("Enter");
const scores = await page.locator("#ranking tbody tr td[data-value]:nth-child(4)").evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.value)));
say("a column is sorted by the keyboard alone", scores.every((score, place) => !place || scores[place - 1] <= score), await column.getAttribute("aria-sort"));
await page.keyboard.press("Enter");

const dot = page.locator(".map svg a [aria-label]");
if (await dot.count()) {
  await dot.last().hover({ force: true });
  say("a dot of the map says which city it is", await page.locator(".tip:not([hidden])").count() === 1, await page.locator(".tip").innerText());
}
const link = page.locator("#ranking tbody th a").first();
const city = await link.innerText();
await link.click();
await page.waitForLoadState();
const cityPage = page.url();
say("a click on a city opens its page", (await page.locator("h1").innerText()).startsWith(city), city);
await page.locator("a.language").click();
await page.waitForLoadState();
say("the same page is there in the other language", page.url() !== cityPage && (await page.locator("html").getAttribute("lang")) === "en", await page.locator("h1").innerText());
await page.goto(cityPage);
await page.locator(".tree tbody a").first().click();
await page.waitForLoadState();
const indicatorPage = page.url();
await page.goto(cityPage);
await page.locator("header a").nth(2).click();
await page.waitForLoadState();
const methodPage = page.url();

// Every kind of page: accessibility, and pictures at three widths.
const kinds = {
  front: address("index.html"),
  city: cityPage,
  indicator: indicatorPage,
  method: methodPage,
  checks: address("checks.html"),
  changes: address("changes.html"),
  dictionary: address("dictionary.html"),
  front_en: address("en/index.html"),
};
const serious = [];
const wide = [];
for (const [kind, url] of Object.entries(kinds)) {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(url);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) wide.push(`${kind} at ${width}: ${over}`);
    await page.screenshot({ path: join(pictures, `${kind}_${width}.png`), fullPage: kind !== "dictionary" && kind !== "checks" });
    if (width === 820) continue;
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"], preload: false }));
    for (const each of violations) {
      const seen = `${kind} at ${width}: ${each.impact} ${each.id} (${each.nodes.length}, ${each.nodes[0].html.slice(0, 120)})`;
      if (["serious", "critical"].includes(each.impact)) serious.push(seen);
      else console.error(seen);
    }
  }
}
say("axe-core finds no serious or critical violation", serious.length === 0, serious.join("; ") || `${Object.keys(kinds).length} pages, two widths each`);
say("no page is wider than the screen", wide.length === 0, wide.join("; ") || widths.join(", "));

// Without scripts everything is still said.
const bare = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
await bare.goto(address("index.html"));
say("the ranking is whole without scripts", (await bare.locator("#ranking tbody tr:visible").count()) === all, `${all} rows`);

// Every link between the pages leads somewhere.
const queue = [address("index.html")];
const seen = new Set(queue);
const broken = [];
const { existsSync } = await import("node:fs");
const { fileURLToPath } = await import("node:url");
while (queue.length) {
  const here = queue.pop();
  const text = readFileSync(fileURLToPath(here), "utf8");
  for (const [, target] of text.matchAll(/(?:href|src)="([^"#]+)/g)) {
    const there = new URL(target.replaceAll("&amp;", "&"), here);
    if (there.protocol !== "file:" || seen.has(there.href)) continue;
    seen.add(there.href);
    if (!existsSync(fileURLToPath(there))) broken.push(`${here} -> ${target}`);
    else if (there.pathname.endsWith(".html") && !there.pathname.endsWith("dbt_docs.html")) queue.push(there.href);
  }
}
say("every link between the pages leads somewhere", broken.length === 0, broken.slice(0, 3).join("; ") || `${seen.size} files`);

await page.goto(address("dbt_docs.html"));
await page.waitForTimeout(3000);
say("dbt's documentation opens", (await page.locator("body").innerText()).includes("city_index"), await page.title());
say("no error on the console", problems.length === 0, problems.slice(0, 3).join("; "));
say("nothing is asked of a network", requests.length === 0, requests.slice(0, 3).join("; "));
await browser.close();

async function drawsChinese() {
  // A font that lacks the characters draws the same box for each of them.
  return page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.font = "40px sans-serif";
    const draw = (text) => {
      canvas.clearRect(0, 0, 60, 60);
      canvas.fillText(text, 5, 45);
      return canvas.getImageData(0, 0, 60, 60).data.join();
    };
    return draw("城") !== draw("市");
  });
}

// A browser for tests: Debian's chromium through playwright-core.
//
// argv[2]: JSON {executable, javascript?: bool}
// goto {url} | click {selector, stays?} | press {keys, moves?} | back | wait {selector} | where
//   -> {url, status?, page}: `page` is the data-page of <main>, or null; click waits for the next page unless
//      `stays`, press only if it `moves`
// type {text} | fill {selector, value} | text {selector?} | html | cookies | screenshot {path} | evaluate {script}
// complaints -> {complaints}: what the console was told of errors since last asked, a broken CSP among them
// webauthn {method, params?}: Chrome's WebAuthn domain, its virtual authenticators (enabled at the first call)
// names -> {names: [[role, name]], focused}: what assistive technology is told of the page and of what has the focus
// new {options?}: forgets everything (a fresh profile); `options` are Playwright's of a context
import { chromium } from 'playwright-core';

import { serve } from '../lines.mjs';

const { executable, javascript = true } = JSON.parse(process.argv[2]);
const TIMEOUT = 15_000;

const browser = await chromium.launch({
  executablePath: executable,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
});
let context;
let page;
let devtools;
const complaints = [];

async function fresh({ options = {} } = {}) {
  await context?.close();
  context = await browser.newContext({ javaScriptEnabled: javascript, ...options });
  context.setDefaultTimeout(TIMEOUT);
  page = await context.newPage();
  devtools = undefined;
  page.on('console', (said) => { if (said.type() === 'error') complaints.push(`${page.url()}: ${said.text()}`); });
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
}

async function where(response) {
  await page.waitForLoadState('load', { timeout: TIMEOUT });
  const main = page.locator('main[data-page]');
  return {
    url: page.url(),
    status: response?.status(),
    page: await main.count() ? await main.first().getAttribute('data-page') : null,
  };
}

async function moving(act) {
  await Promise.all([page.waitForEvent('framenavigated', { predicate: (frame) => frame === page.mainFrame() }), act()]);
}

async function click({ selector, stays = false }) {
  await (stays ? page.click(selector) : moving(() => page.click(selector)));
  return where();
}

async function press({ keys, moves = false }) {
  await (moves ? moving(() => page.keyboard.press(keys)) : page.keyboard.press(keys));
  return where();
}

async function protocol() {
  if (!devtools) {
    devtools = await context.newCDPSession(page);
    await devtools.send('WebAuthn.enable');
  }
  return devtools;
}

async function webauthn({ method, params = {} }) {
  return (await protocol()).send(`WebAuthn.${method}`, params);
}

async function names() {
  const { nodes } = await (await protocol()).send('Accessibility.getFullAXTree');
  const told = nodes.filter((n) => !n.ignored).map((n) => [n.role?.value, n.name?.value ?? '', n]);
  const focused = told.filter(([, , n]) => n.properties?.some((p) => p.name === 'focused' && p.value.value)).pop();
  return { names: told.map(([role, name]) => [role, name]), focused: focused?.slice(0, 2) };
}

await fresh();
await serve({
  goto: async ({ url }) => where(await page.goto(url)),
  fill: async ({ selector, value }) => { await page.fill(selector, value); },
  click,
  where: () => where(),
  press,
  type: async ({ text }) => { await page.keyboard.type(text); },
  webauthn,
  names,
  complaints: async () => ({ complaints: complaints.splice(0) }),
  back: async () => where(await page.goBack()),
  wait: async ({ selector }) => { await page.waitForSelector(selector); return where(); },
  text: async ({ selector = 'body' }) => ({ text: await page.innerText(selector) }),
  html: async () => ({ html: await page.content() }),
  evaluate: async ({ script }) => ({ value: await page.evaluate(script) }),
  cookies: async () => ({ cookies: await context.cookies() }),
  screenshot: async ({ path }) => { await page.screenshot({ path, fullPage: true }); },
  new: fresh,
});
await browser.close();

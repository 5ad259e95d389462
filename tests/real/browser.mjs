// Debian's chromium, driven by playwright-core. One JSON command a line in, one JSON answer a line out.
import readline from 'node:readline';
import { chromium } from 'playwright-core';

const flags = '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags.split(' ') });
let page;
let complaints = [];

async function fresh() {
  const context = await browser.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(15_000);
  complaints = [];
  page.on('console', (m) => m.type() === 'error' && complaints.push(m.text()));
}

const seen = async () => ({
  url: page.url(),
  title: await page.title(),
  name: await page.locator('main').first().getAttribute('data-page', { timeout: 2000 }).catch(() => null),
});

const commands = {
  async fresh() {
    await fresh();
    return {};
  },
  async goto({ url }) {
    await page.goto(url);
    return seen();
  },
  async fill({ label, value }) {
    await page.getByLabel(label).first().fill(value);
    return {};
  },
  async click({ name, exact }) {
    await page.getByRole('button', { name, exact }).or(page.getByRole('link', { name, exact })).first().click();
    await page.waitForLoadState();
    return seen();
  },
  async press({ key }) {
    await page.keyboard.press(key);
    return {};
  },
  async enter() {
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    return seen();
  },
  async focused() {
    return page.evaluate(() => ({ tag: document.activeElement.tagName, name: document.activeElement.getAttribute('name') }));
  },
  async text() {
    return { text: await page.locator('body').innerText() };
  },
  async links() {
    return page.locator('a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
  },
  async screenshot({ path }) {
    await page.screenshot({ path, fullPage: true });
    return {};
  },
  async seen() {
    return { ...(await seen()), complaints };
  },
};

await fresh();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { do: name, ...args } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ ok: await commands[name](args) }));
  } catch (e) {
    console.log(JSON.stringify({ failed: { name: e.name, message: e.message } }));
  }
}
await browser.close();

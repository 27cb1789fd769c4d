// Opens every page of a running site in Chromium, at the widths of a desktop and a phone, light and dark: layout, names,
// focus, accessibility (axe-core: no serious or critical violation), and the print view. Prints one JSON object for each
// page; exit status 1 when a page has a finding.
//
//   node pages.mjs CONFIG.json    {"console","gateway","user","password","modules","screenshots","pages":[...]}
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { chromium } = createRequire(`${config.modules}/playwright-core/package.json`)('playwright-core');
const AXE = readFileSync(`${config.modules}/axe-core/axe.min.js`, 'utf8');
mkdirSync(config.screenshots, { recursive: true });

const VIEWS = ['light', 'dark'].flatMap((scheme) => [
  { name: '1280', width: 1280, height: 900, scheme }, { name: '390', width: 390, height: 844, scheme },
]);
const PRINTED = ['rollout', 'rollout-failed', 'device'];
let findings = 0;

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

for (const view of VIEWS) {
  const { width, height, scheme: colorScheme } = view;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const noticed = [];
  page.on('console', (message) => message.type() === 'error' && noticed.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => noticed.push(`script: ${error.message}`));
  page.on('request', (request) => {
    const host = new URL(request.url()).host;
    if (![new URL(config.console).host, new URL(config.gateway).host].includes(host)) noticed.push(`asks ${host}`);
  });
  await look(page, 'login', `${config.console}/login`, view, noticed);
  await logIn(page);
  for (const [name, path] of config.pages) await look(page, name, config.console + path, view, noticed);
  await look(page, 'gateway', config.gateway, view, noticed);
  await context.close();
}
await browser.close();
process.exit(findings === 0 ? 0 : 1);

// By keyboard alone: the first field has the focus or is one Tab away.
async function logIn(page) {
  await page.goto(`${config.console}/login`);
  await page.locator('input[name=user]').focus();
  await page.keyboard.type(config.user);
  await page.keyboard.press('Tab');
  await page.keyboard.type(config.password);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => !url.pathname.startsWith('/login'));
}

async function look(page, name, url, view, noticed) {
  noticed.length = 0;
  const response = await page.goto(url, { waitUntil: 'load' });
  await page.waitForTimeout(400);
  const here = [...noticed];
  if (!response.ok()) here.push(`status ${response.status()}`);
  here.push(...await page.evaluate(() => {
    const wrong = [];
    if (!document.documentElement.lang) wrong.push('no lang');
    if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
    if (!document.title) wrong.push('no title');
    const wide = document.documentElement.scrollWidth - window.innerWidth;
    if (wide > 0) wrong.push(`${wide} px wider than the window`);
    for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
      if (!field.labels?.length && !field.ariaLabel) wrong.push(`no label: ${field.name}`);
    }
    for (const button of document.querySelectorAll('button, a[href]')) {
      if (!button.textContent.trim() && !button.ariaLabel && !button.title) wrong.push(`no name: ${button.outerHTML.slice(0, 80)}`);
    }
    return wrong;
  }));
  here.push(...await violations(page));
  const file = `${config.screenshots}/${name}-${view.name}${view.scheme === 'dark' ? '-dark' : ''}.png`;
  await page.screenshot({ path: file, fullPage: true });
  if (PRINTED.includes(name) && view === VIEWS[0]) here.push(...await printed(page, name));
  await page.keyboard.press('Tab');
  const focus = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return document.activeElement === document.body || style.outlineStyle !== 'none' || style.boxShadow !== 'none';
  });
  if (!focus) here.push('the focus is not visible');
  findings += here.length;
  console.log(JSON.stringify({ page: name, width: view.width, scheme: view.scheme, findings: here, screenshot: file }));
}

// What axe-core finds of serious or critical impact, with the first element of each.
async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  return found.violations
    .filter((violation) => ['serious', 'critical'].includes(violation.impact))
    .map((violation) => `axe ${violation.id} (${violation.impact}, ${violation.nodes.length}x): ${violation.nodes[0].html.slice(0, 160)}`);
}

// The print view: black on white, without controls, all times absolute, nothing cut off at the paper's edge.
async function printed(page, name) {
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  await page.setViewportSize({ width: 720, height: 1000 });
  // A chart takes the width of the paper with its next frame.
  await page.waitForFunction(() => document.documentElement.scrollWidth <= window.innerWidth, null, { timeout: 3000 }).catch(() => {});
  const wrong = await page.evaluate(() => {
    const found = [];
    const light = (color) => color.match(/[\d.]+/g).slice(0, 3).every((part) => Number(part) > 200);
    if (!light(getComputedStyle(document.body).backgroundColor)) found.push('print: the ground is not white');
    for (const text of document.querySelectorAll('h1, h2, td, dd')) {
      if (light(getComputedStyle(text).color)) found.push(`print: light text ${text.textContent.trim().slice(0, 40)}`);
    }
    for (const control of document.querySelectorAll('.side, button, .button, .filters, .choices')) {
      if (control.offsetParent !== null) found.push(`print: a control: ${control.outerHTML.slice(0, 80)}`);
    }
    const wide = document.documentElement.scrollWidth - window.innerWidth;
    if (wide > 0) found.push(`print: ${wide} px wider than the paper`);
    return found;
  });
  await page.screenshot({ path: `${config.screenshots}/${name}-print.png`, fullPage: true });
  await page.pdf({ path: `${config.screenshots}/${name}.pdf`, format: 'A4' });
  await page.emulateMedia({ media: null, colorScheme: 'light' });
  await page.setViewportSize({ width: VIEWS[0].width, height: VIEWS[0].height });
  return wrong;
}

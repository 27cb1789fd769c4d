// Opens every page of a running site in Chromium, at a desk's and at a phone's width, and checks what a person
// would notice. Prints one JSON object for each page; exit status 1 when a page has a finding.
//
//   node pages.mjs CONFIG.json    {"console","gateway","user","password","modules","screenshots","pages":[...]}
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { chromium } = createRequire(`${config.modules}/playwright-core/package.json`)('playwright-core');
mkdirSync(config.screenshots, { recursive: true });

const SIZES = [{ name: '1280', width: 1280, height: 900 }, { name: '390', width: 390, height: 844 }];
let findings = 0;

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

for (const size of SIZES) {
  const context = await browser.newContext({ viewport: size, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const noticed = [];
  page.on('console', (message) => message.type() === 'error' && noticed.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => noticed.push(`script: ${error.message}`));
  page.on('request', (request) => {
    const host = new URL(request.url()).host;
    if (![new URL(config.console).host, new URL(config.gateway).host].includes(host)) noticed.push(`asks ${host}`);
  });
  await look(page, 'login', `${config.console}/login`, size, noticed);
  await logIn(page);
  for (const [name, path] of config.pages) await look(page, name, config.console + path, size, noticed);
  await look(page, 'gateway', config.gateway, size, noticed);
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

async function look(page, name, url, size, noticed) {
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
  const file = `${config.screenshots}/${name}-${size.name}.png`;
  await page.screenshot({ path: file, fullPage: true });
  await page.keyboard.press('Tab');
  const focus = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return document.activeElement === document.body || style.outlineStyle !== 'none' || style.boxShadow !== 'none';
  });
  if (!focus) here.push('the focus is not visible');
  findings += here.length;
  console.log(JSON.stringify({ page: name, width: size.width, findings: here, screenshot: file }));
}

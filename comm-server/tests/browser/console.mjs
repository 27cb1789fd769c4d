// A person at the console in Chromium: what is selected stays, what is hidden asks for nothing, what is plotted can be
// read. Prints one line for each check; exit status 1 when one fails.
//
//   node console.mjs CONFIG.json    {"console","user","password","modules","screenshots"}
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { chromium } = createRequire(`${config.modules}/playwright-core/package.json`)('playwright-core');
mkdirSync(config.screenshots, { recursive: true });
const NEW = 'four quiet printers here';
const PATIENCE = 30000;
let failed = 0;

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ignoreHTTPSErrors: true });

const check = (name, right, seen) => {
  if (!right) failed += 1;
  console.log(`${right ? 'ok  ' : 'FAIL'} ${name}${seen === undefined ? '' : `: ${JSON.stringify(seen)}`}`);
};

// -- A deep link, through the login and the change of the one-time password ------------------------------------------

const wanted = '/devices/gw-hamburg-1/ricoh%3A3110RC20950';
{
  const page = await context.newPage();
  await page.goto(config.console + wanted);
  await page.fill('[name=user]', config.user);
  await page.fill('[name=password]', config.password);
  await page.click('button.primary');
  await page.waitForURL((url) => url.pathname === '/password');
  await page.fill('[name=current]', config.password);
  await page.fill('[name=new]', NEW);
  await page.fill('[name=again]', NEW);
  await page.click('button.primary');
  await page.waitForURL((url) => url.pathname !== '/password');
  check('a login returns to the wanted page', new URL(page.url()).pathname === wanted, page.url());
  await page.close();
}

// -- Plots ----------------------------------------------------------------------------------------------------------

// Every text that is drawn on a canvas, with the box that it fills.
const RECORD = () => {
  window.drawn = [];
  const original = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function record(text, x, y, ...rest) {
    const width = this.measureText(text).width;
    const left = this.textAlign === 'right' ? x - width : this.textAlign === 'center' ? x - width / 2 : x;
    const at = this.getTransform();
    window.drawn.push({ text, align: this.textAlign, left: left + at.e, right: left + width + at.e, canvas: this.canvas.width });
    return original.call(this, text, x, y, ...rest);
  };
};

for (const [name, path] of [
  ['above a million', wanted],
  ['a flat line', '/devices/gw-muster-2/kyocera%3ARVQ2A00117'],
  ['years', '/devices/gw-berlin-1/ricoh%3AC748M510033'],
  ['readings of a minute', '/devices/gw-berlin-1/ricoh%3AMINUTE'],
]) {
  for (const scale of [1, 2]) {
    const other = await browser.newContext({
      viewport: { width: scale === 1 ? 1280 : 390, height: 900 }, ignoreHTTPSErrors: true, deviceScaleFactor: scale,
      storageState: await context.storageState(),
    });
    const page = await other.newPage();
    await page.addInitScript(RECORD);
    await page.goto(config.console + path);
    await page.waitForFunction(() => window.drawn.length > 3, null, { timeout: PATIENCE });
    const drawn = (await page.evaluate(() => window.drawn)).filter((label) => label.text !== '');
    const cut = drawn.filter((label) => label.left < 0 || label.right > label.canvas);
    check(`${name}, ${scale}x: every label is whole`, cut.length === 0, cut);
    const values = drawn.filter((label) => /^[\d,]+$/.test(label.text) && label.align === 'right').map((label) => label.text);
    const times = drawn.filter((label) => label.align !== 'right').map((label) => label.text);
    check(`${name}, ${scale}x: no two marks are worded alike`, new Set(values).size === values.length
      && times.every((text, i) => text !== times[i - 1]), { values, times });
    check(`${name}, ${scale}x: thousands are set apart`, values.every((text) => !/\d{4}/.test(text)));
    const numbers = values.map((text) => Number(text.replaceAll(',', '')));
    if (name === 'a flat line') {
      check(`${name}, ${scale}x: the axis spans more than noise`, Math.max(...numbers) - Math.min(...numbers) >= 500, numbers);
    }
    if (name === 'above a million') {
      check(`${name}, ${scale}x: the first digit is there`, numbers.every((value) => value > 1e6), values);
    }
    const told = await page.textContent('#plot-readout');
    check(`${name}, ${scale}x: the newest value is told`, /^Latest: [\d,]+ impressions, read \d{4}-\d\d-\d\d \d\d:\d\d UTC$/.test(told), told);
    await page.screenshot({ path: `${config.screenshots}/plot-${name.replaceAll(' ', '-')}-${scale}x.png`, fullPage: true });
    await other.close();
  }
}

// -- The refresh ----------------------------------------------------------------------------------------------------

const refreshes = (request) => request.headers()['platen-live'] === 'refresh';
const page = await context.newPage();
let change = (html) => html;
let asked = 0;
// Pages refresh each 5 s; here they are served with 2 s, so that no wait takes long.
const EVERY_MS = 2000;
await context.route((url) => url.origin === config.console, async (route) => {
  if (route.request().resourceType() !== 'document' || route.request().method() !== 'GET') return route.fallback();
  const answer = await route.fetch();
  return route.fulfill({ response: answer, body: (await answer.text()).replaceAll('data-live="5"', `data-live="${EVERY_MS / 1000}"`) });
});
await page.route('**/*', async (route) => {
  if (!refreshes(route.request())) return route.fallback();
  asked += 1;
  const headers = route.request().headers();
  delete headers['if-none-match'];
  const answer = await route.fetch({ headers });
  const body = await answer.text();
  return route.fulfill({ status: answer.status(), headers: { 'content-type': 'text/html' }, body: change(body) });
});
const refreshed = async () => {
  await page.waitForEvent('requestfinished', { predicate: refreshes, timeout: PATIENCE });
  await page.waitForTimeout(50);
};
const cell = (key, label) => page.locator(`tr[data-key="${key}"] td[data-label="${label}"]`);
const selected = () => page.evaluate(() => getSelection().toString());

await page.goto(`${config.console}/`);
const first = 'd-gw-berlin-1-ricoh-3118RA00421';
const second = 'd-gw-berlin-1-ricoh-3118RA00422';
await page.evaluate((key) => {
  const serial = document.querySelector(`tr[data-key="${key}"] .sub`);
  getSelection().selectAllChildren(serial);
  document.getElementById(key).focus({ preventScroll: true });
  scrollTo(0, 300);
}, first);
const total = (await cell(second, 'Total').textContent()).trim();
change = (html) => html.replaceAll(total, '9,876,543').replaceAll('>3118RA00421 ', '>ANOTHER ');
await refreshed();
check('a selection outlives a refresh', (await selected()).startsWith('3118RA00421'), await selected());
check('the focus stays', await page.evaluate((key) => document.activeElement?.id === key, first));
check('the page stays where it was scrolled to', await page.evaluate(() => scrollY) === 300);
check('what is not selected is new', (await cell(second, 'Total').textContent()).trim() === '9,876,543');
check('the page says that it waits', (await page.textContent('#freshness')).includes('Waits while text is selected'));
await page.evaluate(() => getSelection().removeAllRanges());
await page.waitForFunction((key) => document.querySelector(`tr[data-key="${key}"] .sub`).textContent.startsWith('ANOTHER'), first, { timeout: 2000 });
check('what was selected is new once it is not', true);
check('unchanged elements are kept', await page.evaluate((key) => document.getElementById(key).closest('tr').dataset.key === key, first));

// A row that is gone, and one that comes before the others.
change = (html) => html.replace(/<tr role="row" data-key="d-gw-berlin-1-ricoh-3118RA00422"[\s\S]*?<\/tr>/, '');
await page.evaluate((key) => { document.getElementById(key).marked = true; }, first);
await refreshed();
check('a row that is gone is gone', await cell(second, 'Total').count() === 0);
change = (html) => html;
await refreshed();
check('a row that comes back stands in its place', await page.evaluate(([a, b]) => {
  const keys = [...document.querySelectorAll('tr[data-key]')].map((row) => row.dataset.key);
  return keys.indexOf(b) === keys.indexOf(a) + 1;
}, [first, second]));
check('its neighbour is the same element', await page.evaluate((key) => document.getElementById(key).marked === true, first));

// Words for times, as the server's.
const words = await page.evaluate(async () => {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const text = await (await fetch('/commands')).text();
    const own = new DOMParser().parseFromString(text, 'text/html');
    document.querySelector('main').append(document.importNode(own.getElementById('live'), true));
    await new Promise((resolve) => { setTimeout(resolve, 1100); });
    const said = [...own.querySelectorAll('time[data-ago]')].map((time) => [time.dateTime, time.textContent]);
    const mine = new Map([...document.querySelectorAll('time[data-ago]')].map((time) => [time.dateTime, time.textContent]));
    const wrong = said.filter(([at, server]) => mine.get(at) !== server && !/\d s|just now/.test(server));
    if (wrong.length === 0 && said.length > 5) return [];
    if (attempt === 4) return wrong;
  }
  return undefined;
});
check('the script words times as the server does', words.length === 0, words);

// A hidden tab.
await page.goto(`${config.console}/`);
const hide = (hidden) => page.evaluate((is) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => is });
  document.dispatchEvent(new Event('visibilitychange'));
}, hidden);
await hide(true);
await page.waitForTimeout(300);
asked = 0;
await page.waitForTimeout(1.3 * EVERY_MS);
check('a hidden tab asks for nothing', asked === 0, asked);
const back = page.waitForRequest(refreshes, { timeout: 1500 });
await hide(false);
check('a tab that is shown again asks at once', await back.then(() => true, () => false));

// Paused by its button.
await page.click('#freshness button');
await page.waitForTimeout(300);
asked = 0;
await page.waitForTimeout(1.3 * EVERY_MS);
check('a paused page asks for nothing', asked === 0 && (await page.textContent('#freshness')).startsWith('Paused'), asked);
await page.click('#freshness button');
await page.waitForFunction(() => document.querySelector('#freshness').textContent.startsWith('Updated'));

// A server that fails: said once, asked less often, and forgotten when it is back.
await page.unrouteAll({ behavior: 'ignoreErrors' });
let away = true;
await page.route('**/*', (route) => (away && refreshes(route.request()) ? route.abort() : route.fallback()));
await page.waitForFunction(() => !document.getElementById('connection').hidden, null, { timeout: PATIENCE });
check('a server that is away is said', true);
away = false;
await page.waitForFunction(() => document.getElementById('connection').hidden, null, { timeout: PATIENCE });
check('and forgotten when it answers', true);

// What an idle tab gets.
const statuses = [];
page.on('response', (response) => statuses.push(response.status()));
await page.waitForTimeout(3.2 * EVERY_MS);
check('an idle tab gets 304 and nothing else', statuses.length >= 2 && statuses.every((status) => status === 304), statuses);

// A search while typing keeps the field, and its address can be shared.
await page.fill('#q', '');
await page.type('#q', 'jam-nothing');
await page.waitForFunction(() => document.body.textContent.includes('No device matches'), null, { timeout: PATIENCE });
check('a search shows in the address', page.url().endsWith('/?q=jam-nothing') && await page.evaluate(() => document.activeElement.id === 'q'), page.url());

// -- Any gateway can be asked, by keyboard ----------------------------------------------------------------------------

await page.goto(`${config.console}/commands`);
await page.focus('#q');
await page.keyboard.type('works');
await page.waitForFunction(() => document.querySelectorAll('#gateway option').length === 1, null, { timeout: PATIENCE });
check('a gateway is found by its site', await page.inputValue('#gateway') === 'gw-muster-2');
await page.focus('select[name=kind]');
await page.keyboard.type('Find');
await page.keyboard.press('Tab');
await page.keyboard.press('Enter');
await page.waitForURL((url) => url.searchParams.get('gateway') === 'gw-muster-2');
check('and asked', (await page.textContent('#live tbody tr')).includes('Find devices'));

// -- Bars -----------------------------------------------------------------------------------------------------------

for (const colorScheme of ['light', 'dark']) {
  await page.emulateMedia({ colorScheme });
  await page.goto(config.console + wanted);
  const worst = await page.evaluate(() => {
    const rgb = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
    const light = (color) => {
      const [r, g, b] = rgb(color).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => {
      const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
      return (high + 0.05) / (low + 0.05);
    };
    const found = [...document.querySelectorAll('svg.bar')].map((bar) => {
      const style = (part, property) => getComputedStyle(bar.querySelector(part))[property];
      const track = style('.bar-track', 'fill');
      const edge = Math.max(contrast(style('.bar-mark', 'stroke'), track), contrast(style('.bar-fill', 'fill'), track));
      const outline = contrast(getComputedStyle(bar).borderTopColor, getComputedStyle(bar.closest('.card')).backgroundColor);
      return { ink: bar.classList[1], edge, outline };
    });
    const black = document.querySelector('svg.bar.black');
    return { edge: Math.min(...found.map((one) => one.edge)), outline: Math.min(...found.map((one) => one.outline)),
      black: contrast(getComputedStyle(black.querySelector('.bar-fill')).fill, getComputedStyle(black.querySelector('.bar-track')).fill), bars: found.length };
  });
  check(`${colorScheme}: level, black and outline have a contrast of 3`, worst.bars > 4 && worst.edge >= 3 && worst.outline >= 3 && worst.black >= 3, worst);
}

await browser.close();
process.exit(failed === 0 ? 0 : 1);

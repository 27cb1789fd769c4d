// Keeps the regions of a page that are marked data-live="SECONDS" up to date without disturbing who reads it: only what
// changed is touched, and nothing that is selected. Everything works without it.
//
// A region needs an id, its rows ids or data-key. The page is asked for again with `platen-live`, and with the entity
// tag of what is shown: a server that knows the header answers with the regions alone, or with 304.
"use strict";

(() => {
  const regions = () => [...document.querySelectorAll("[data-live]")];
  if (regions().length === 0) return;

  const SLOWEST_S = 60;
  const TIMEOUT_MS = 30000;
  const every = Math.min(...regions().map((region) => Number(region.dataset.live) || 5));
  const connection = document.getElementById("connection");
  const freshness = document.getElementById("freshness");
  const pause = freshness?.querySelector("button");
  let known = { url: "", tag: "" };
  let latest = null;
  let withheld = false;
  let request = null;
  let timer = 0;
  let failures = 0;
  let paused = false;
  let checkedAt = Date.now();

  // -- Changing what is shown ------------------------------------------------------------------------------------

  const isSelected = (node) => {
    const selection = getSelection();
    if (!selection || selection.isCollapsed || selection.rangeCount === 0) return false;
    return selection.getRangeAt(0).intersectsNode(node);
  };
  const key = (node) => (node.nodeType !== Node.ELEMENT_NODE ? "" : node.id || node.dataset.key || (node.nodeName === "OPTION" ? `option ${node.value}` : ""));
  const isAlike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName;
  const remove = (node) => {
    if (isSelected(node)) withheld = true;
    else node.remove();
  };

  // What a person set stays: an open disclosure, a chosen option, a typed text.
  const OWN = new Set(["open", "value", "checked", "selected"]);
  const takeAttributes = (node, wanted) => {
    for (const { name } of [...node.attributes]) if (!OWN.has(name) && !wanted.hasAttribute(name)) node.removeAttribute(name);
    for (const { name, value } of wanted.attributes) if (!OWN.has(name) && node.getAttribute(name) !== value) node.setAttribute(name, value);
  };

  const takeChildren = (node, wanted) => {
    const kept = new Set([...wanted.childNodes].map(key));
    for (const child of [...node.children]) if (key(child) && !kept.has(key(child))) remove(child);
    const keyed = new Map([...node.children].filter(key).map((child) => [key(child), child]));
    let at = node.firstChild;
    for (const next of wanted.childNodes) {
      let found = key(next) ? keyed.get(key(next)) : at;
      if (found && (!isAlike(found, next) || key(found) !== key(next))) found = undefined;
      if (!found) {
        node.insertBefore(document.importNode(next, true), at);
        continue;
      }
      if (found !== at) node.insertBefore(found, at);
      take(found, next);
      at = found.nextSibling;
    }
    while (at) {
      const rest = at;
      at = at.nextSibling;
      remove(rest);
    }
  };

  const take = (node, wanted) => {
    if (node.isEqualNode(wanted)) return;
    if (node.nodeType !== Node.ELEMENT_NODE) {
      if (isSelected(node)) withheld = true;
      else node.data = wanted.data;
      return;
    }
    const worded = node.dataset.ago !== undefined && node.dateTime === wanted.dateTime;
    takeAttributes(node, wanted);
    if (!worded) takeChildren(node, wanted);
  };

  const show = (parsed) => {
    latest = parsed;
    withheld = false;
    for (const region of regions()) {
      const wanted = parsed.getElementById(region.id);
      if (wanted) take(region, wanted);
    }
    word();
    document.dispatchEvent(new CustomEvent("platen:updated"));
  };
  document.addEventListener("selectionchange", () => {
    if (withheld && getSelection()?.isCollapsed) show(latest);
  });

  // -- Times in words, as the server words them ------------------------------------------------------------------

  const span = (s) => {
    if (s < 90) return `${s} s`;
    if (s < 5400) return `${Math.floor((s + 30) / 60)} min`;
    if (s < 129600) return `${Math.floor((s + 1800) / 3600)} h`;
    return `${Math.floor((s + 43200) / 86400)} days`;
  };
  const relative = (ms) => {
    const seconds = Math.floor(Date.now() / 1000) - Math.floor(ms / 1000);
    const length = Math.abs(seconds);
    if (length < 5) return "just now";
    if (length >= 5184000) return new Date(ms).toISOString().slice(0, 10);
    return seconds >= 0 ? `${span(length)} ago` : `in ${span(length)}`;
  };
  const write = (element, text) => {
    if (element && element.textContent !== text && !isSelected(element)) element.textContent = text;
  };
  const word = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) write(time, relative(Date.parse(time.dateTime)));
    const state = paused ? "Paused, as of" : withheld ? "Waits while text is selected, as of" : "Updated";
    write(freshness?.querySelector("span"), `${state} ${relative(checkedAt)}`);
  };

  // -- Asking ----------------------------------------------------------------------------------------------------

  const here = () => location.pathname + location.search;

  const again = () => {
    clearTimeout(timer);
    if (document.hidden || paused) return;
    const seconds = Math.min(every * 2 ** failures, Math.max(SLOWEST_S, every));
    timer = setTimeout(() => ask("refresh"), seconds * (failures > 0 ? 750 + Math.random() * 500 : 1000));
  };

  const ask = async (why) => {
    clearTimeout(timer);
    request?.abort();
    const own = new AbortController();
    request = own;
    const url = here();
    const headers = { "platen-live": why };
    if (known.url === url && known.tag) headers["if-none-match"] = known.tag;
    const late = setTimeout(() => own.abort(), TIMEOUT_MS);
    try {
      const answer = await fetch(url, { headers, signal: own.signal, cache: "no-store", redirect: "error" });
      if (answer.status === 401) {
        location.assign(answer.headers.get("location") ?? url);
        return;
      }
      if (!answer.ok && answer.status !== 304) throw new Error(String(answer.status));
      const text = answer.status === 304 ? "" : await answer.text();
      if (request !== own) return;
      if (text) {
        known = { url, tag: answer.headers.get("etag") ?? "" };
        show(new DOMParser().parseFromString(text, "text/html"));
      }
      checkedAt = Date.now();
      failures = 0;
    } catch {
      if (request !== own || document.hidden) return;
      failures += 1;
    } finally {
      clearTimeout(late);
    }
    // Said when it changes, and then only: the banner is a status that assistive technology reads out.
    if (connection && connection.hidden !== (failures === 0)) connection.hidden = failures === 0;
    word();
    again();
  };

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      if (!paused) ask("refresh");
      return;
    }
    clearTimeout(timer);
    request?.abort();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted && !paused) ask("refresh");
  });
  pause?.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    clearTimeout(timer);
    if (!paused) ask("refresh");
    word();
  });

  // A form that chooses what is shown: by each keystroke that a pause follows, and without leaving the page.
  for (const form of document.querySelectorAll("form[data-live-form]")) {
    let typing = 0;
    const search = () => {
      clearTimeout(typing);
      const chosen = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
      const query = chosen.toString();
      history.replaceState(null, "", form.getAttribute("action") + (query ? `?${query}` : ""));
      ask("search");
    };
    form.addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(search, event.target.matches("select") ? 0 : 400);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      search();
    });
    for (const button of form.querySelectorAll("[data-without-script]")) button.hidden = true;
  }

  if (freshness) freshness.hidden = false;
  setInterval(() => document.hidden || word(), 1000);
  word();
  again();
})();

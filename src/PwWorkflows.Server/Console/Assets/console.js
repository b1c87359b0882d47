// What the pages do in the browser beyond htmx. Everything can be read without it.
(() => {
  'use strict';
  const root = document.documentElement;
  const keep = (name, value) => { document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=lax`; };
  const kept = name => document.cookie.split('; ').find(c => c.startsWith(name + '='))?.slice(name.length + 1);

  // Times are shown in the viewer's zone: the server learns it here.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const told = kept('pw-zone');
  if (zone && told !== encodeURIComponent(zone)) {
    keep('pw-zone', zone);
    // Only where the page holds times and the cookie is really kept, so that nothing can go round in circles.
    if (document.querySelector('time') && kept('pw-zone')) location.reload();
  }

  function distance(ms) {
    const s = Math.abs(ms) / 1000;
    const text = s < 5 ? '' : s < 60 ? `${Math.floor(s)} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
    return !text ? 'now' : ms < 0 ? text + ' ago' : 'in ' + text;
  }
  // The server's clock counts, not the viewer's.
  const ahead = (() => { const clock = document.querySelector('[data-now]'); return clock ? Date.parse(clock.dataset.now) - Date.now() : 0; })();
  setInterval(() => {
    const now = Date.now() + ahead;
    for (const time of document.querySelectorAll('time[data-relative]')) time.textContent = distance(Date.parse(time.dateTime) - now);
    const clock = document.querySelector('[data-clock]');
    if (clock) {
      const at = new Date(now);
      const two = n => String(n).padStart(2, '0');
      clock.children[0].textContent = at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: zone });
      clock.children[1].textContent = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())} UTC`;
    }
  }, 10000);

  // Copied text holds the exact times.
  document.addEventListener('copy', event => {
    const chosen = document.getSelection();
    if (!chosen || chosen.isCollapsed || !event.clipboardData) return;
    const part = chosen.getRangeAt(0).cloneContents();
    const times = part.querySelectorAll('time');
    if (times.length === 0) return;
    for (const time of times) time.textContent = time.title || time.dateTime;
    event.clipboardData.setData('text/plain', part.textContent);
    event.preventDefault();
  });

  document.addEventListener('click', async event => {
    const copy = event.target.closest('[data-copy]');
    if (copy) {
      event.preventDefault();
      try { await navigator.clipboard.writeText(copy.dataset.copy); copy.classList.add('done'); setTimeout(() => copy.classList.remove('done'), 1200); } catch { /* The browser does not let us. */ }
      return;
    }
    if (event.target.closest('[data-theme-switch]')) {
      const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
      root.dataset.theme = dark ? 'light' : 'dark';
      keep('pw-theme', root.dataset.theme);
    }
    if (event.target.closest('[data-rail-switch]')) {
      if (root.dataset.rail === 'narrow') delete root.dataset.rail; else root.dataset.rail = 'narrow';
      keep('pw-rail', root.dataset.rail ?? 'wide');
    }
    if (event.target.closest('[data-help]')) document.getElementById('help')?.showModal();
    for (const menu of document.querySelectorAll('details.user[open]')) if (!menu.contains(event.target)) menu.open = false;
  });

  // A form is sent once, and asks first where it says so. A button whose work takes a while says so meanwhile.
  document.addEventListener('submit', event => {
    const form = event.target;
    if (form.method !== 'post') return;
    if (form.getAttribute('aria-busy') === 'true') { event.preventDefault(); return; }
    const question = event.submitter?.dataset.ask ?? form.dataset.ask;
    if (question && !confirm(question)) { event.preventDefault(); return; }
    form.setAttribute('aria-busy', 'true');
    const button = event.submitter;
    if (button?.dataset.busy) { button.dataset.idle = button.textContent; button.textContent = button.dataset.busy; }
  });
  addEventListener('pageshow', () => {
    for (const form of document.querySelectorAll('form[aria-busy]')) form.removeAttribute('aria-busy');
    for (const button of document.querySelectorAll('[data-idle]')) { button.textContent = button.dataset.idle; delete button.dataset.idle; }
  });

  // Keyboard.
  let go = false;
  const rows = () => [...document.querySelectorAll('[data-rows] tbody tr')];
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea, dialog')) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    if (go) {
      go = false;
      const link = document.querySelector(`[data-key="g ${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const chosen = document.querySelector('tr[data-chosen]');
    switch (event.key) {
      case '/': event.preventDefault(); document.querySelector('.search input')?.focus(); break;
      case 'g': go = true; setTimeout(() => { go = false; }, 1500); break;
      case '?': document.getElementById('help')?.showModal(); break;
      case 'j': case 'k': {
        const all = rows();
        const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(chosen) + (event.key === 'j' ? 1 : chosen ? -1 : 0)))];
        chosen?.removeAttribute('data-chosen');
        if (next) { next.setAttribute('data-chosen', ''); next.scrollIntoView({ block: 'nearest' }); }
        break;
      }
      case 'Enter': if (chosen && event.target === document.body) chosen.querySelector('a')?.click(); break;
    }
  });

  // Live parts: the server tells which topic has changed, and the parts of that topic are asked for anew. Where it can't tell, they renew themselves slowly.
  const stale = new Set();
  const topicOf = part => part.dataset.live?.split('~')[0];
  const typed = part => [...part.querySelectorAll('input:not([type=hidden]), textarea')].some(i => i.type === 'checkbox' ? i.checked !== i.defaultChecked : i.value !== i.defaultValue);

  // What was sent brings a page of its own. A page that is renewed or loaded again meanwhile would take its place, and its answer, such as that somebody else was first, would never be seen.
  const sending = () => document.querySelector('form[aria-busy]') !== null;

  // Nothing jumps under somebody who reads: a part is renewed only while the page is seen, nothing is on its way to the server, and nothing in the part is open, chosen or typed.
  function held(part) {
    const selection = document.getSelection();
    return document.hidden || sending() || part.querySelector('details[open], :focus-visible, tr[data-chosen]') || typed(part) || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }
  function offer(show) {
    let button = document.querySelector('[data-renew]');
    if (!show) { button?.remove(); return; }
    if (button) return;
    button = document.createElement('button');
    button.type = 'button';
    button.className = 'renew';
    button.dataset.renew = '';
    button.textContent = 'Something here has changed. Show it';
    button.addEventListener('click', () => { for (const part of document.querySelectorAll('[data-live]')) if (stale.has(topicOf(part))) { part.dataset.now = ''; htmx.trigger(part, 'renew'); } });
    document.body.append(button);
  }
  let renewing = 0;
  function renew() {
    clearTimeout(renewing);
    if (stale.size === 0) { offer(false); return; }
    let waits = false;
    for (const topic of [...stale]) {
      const parts = [...document.querySelectorAll('[data-live]')].filter(p => topicOf(p) === topic);
      if (parts.some(held)) { waits ||= !document.hidden; continue; }
      stale.delete(topic);
      for (const part of parts) htmx.trigger(part, 'renew');
    }
    offer(waits);
    // What comes in quick succession is shown together.
    renewing = setTimeout(renew, 1500);
  }

  let source = null;
  let wait = 2000;
  function listen() {
    if (source || document.hidden || !window.EventSource || !window.htmx) return;
    const marks = new Map();
    for (const part of document.querySelectorAll('[data-live]')) {
      const [topic, mark] = part.dataset.live.split('~');
      if (topic && !marks.get(topic)) marks.set(topic, mark ?? '');
    }
    if (marks.size === 0) return;
    source = new EventSource('/live?' + [...marks].map(([topic, mark]) => 'on=' + encodeURIComponent(topic + '~' + mark)).join('&'));
    source.addEventListener('changed', event => {
      const at = event.data.lastIndexOf('~');
      const topic = event.data.slice(0, at);
      for (const part of document.querySelectorAll('[data-live]')) if (topicOf(part) === topic) part.dataset.live = event.data;
      stale.add(topic);
      renew();
    });
    source.addEventListener('here', () => { root.dataset.liveness = 'on'; wait = 2000; });
    // The sign-in has ended, or another tab renewed it: a part that is asked for finds out.
    source.addEventListener('end', () => { leave(); const rail = document.getElementById('rail'); if (rail) htmx.trigger(rail, 'renew'); setTimeout(listen, wait = Math.min(2 * wait, 60000)); });
    source.addEventListener('error', () => {
      // The browser would try again with the marks of the page as it was.
      leave();
      setTimeout(listen, wait = Math.min(2 * wait, 60000));
    });
  }
  function leave() { source?.close(); source = null; delete root.dataset.liveness; }
  document.addEventListener('visibilitychange', () => { if (document.hidden) leave(); else { listen(); renew(); } });
  addEventListener('pagehide', leave);
  addEventListener('pageshow', listen);

  document.addEventListener('htmx:beforeRequest', event => {
    const part = event.detail.elt;
    if (event.detail.requestConfig?.triggeringEvent?.type === 'submit') return;
    if ('now' in part.dataset) { stale.delete(topicOf(part)); offer(stale.size > 0); return; }
    if (held(part)) event.preventDefault();
  });

  document.addEventListener('htmx:beforeOnLoad', event => { if (sending()) event.preventDefault(); });

  // What somebody typed is still there when the page is loaded again, until it is sent.
  const places = document.querySelectorAll('textarea[data-keep]');
  const nameOf = field => `pw-typed:${location.pathname}:${field.name}`;
  for (const field of places) {
    const kept = sessionStorage.getItem(nameOf(field));
    if (kept && !field.value) field.value = kept;
    field.addEventListener('input', () => { if (field.value) sessionStorage.setItem(nameOf(field), field.value); else sessionStorage.removeItem(nameOf(field)); });
    field.form?.addEventListener('submit', event => { if (!event.defaultPrevented) sessionStorage.removeItem(nameOf(field)); });
  }
})();

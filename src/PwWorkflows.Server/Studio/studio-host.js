// Puts one of Studio's elements on the page, keeps its token fresh, and goes where its links mean to go.
(() => {
  'use strict';
  const api = location.origin + '/elsa/api';
  const query = new URLSearchParams(location.search);
  const page = location.pathname.split('/')[3];
  const message = document.getElementById('pw-message');
  const goTo = (name, id) => location.assign(`/studio/host/${name}?id=${encodeURIComponent(id)}`);

  const pages = {
    workflows: { title: 'Workflows', element: 'elsa-workflow-definition-list', callbacks: { editWorkflowDefinition: id => goTo('editor', id) } },
    instances: { title: 'Instances', element: 'elsa-workflow-instance-list', callbacks: { viewWorkflowInstance: id => goTo('instance', id) } },
    editor: { title: 'Workflow', element: 'elsa-workflow-definition-editor', attribute: 'definition-id', look: id => `/workflow-definitions/by-definition-id/${encodeURIComponent(id)}?versionOptions=Latest` },
    instance: {
      title: 'Instance', element: 'elsa-workflow-instance-viewer', attribute: 'instance-id', look: id => `/workflow-instances/${encodeURIComponent(id)}/execution-state`,
      callbacks: { editWorkflowDefinition: id => goTo('editor', id) },
    },
  };

  // Tokens live in this page alone. The sign-in is the console's.
  let access = null, refresh = null;
  const signIn = () => location.replace('/sign-in?next=' + encodeURIComponent(location.pathname + location.search));
  const claims = token => {
    const text = atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, c => c.charCodeAt(0))));
  };

  // For the panels beside the element. Everything from the server becomes text, never markup.
  window.pwStudio = {
    token: () => access,
    may: permission => { const held = access ? [claims(access).permissions ?? []].flat() : []; return held.includes('*') || held.includes(permission); },
    make: (name, { text, ...attributes } = {}, ...children) => {
      const element = document.createElement(name);
      for (const [key, value] of Object.entries(attributes)) if (value !== undefined && value !== null) element.setAttribute(key, value);
      if (text !== undefined) element.textContent = text;
      element.append(...children);
      return element;
    },
  };

  const take = pair => { refresh = pair.refreshToken ?? refresh; return access = pair.accessToken; };

  // What an answer says of the sign-in: a pair of tokens, null when it has ended, undefined when the server could not tell.
  const told = async answer => answer?.ok ? (pair => pair.isAuthenticated ? pair : null)(await answer.json()) : answer?.status === 401 || answer?.status === 403 ? null : undefined;

  // Whoever is signed in on the console's pages is signed in here; asking keeps that sign-in alive. When it has ended, so has this page's; its own token only helps while the console can't be asked.
  async function renew() {
    let pair = await told(await fetch('/studio/host/session', { method: 'POST' }).catch(() => undefined));
    if (pair === undefined && refresh) pair = await told(await fetch(api + '/identity/refresh-token', { method: 'POST', headers: { Authorization: 'Bearer ' + refresh } }));
    if (pair === undefined) throw new Error('The server could not tell whether the sign-in goes on.');
    return pair ? take(pair) : access = refresh = null;
  }

  // Studio reads the token once per element; another provider gives all living elements the new one, and an unsaved edit stays.
  function provide(token) {
    const provider = document.createElement('elsa-backend-provider');
    provider.setAttribute('remote-endpoint', api);
    provider.setAttribute('access-token', token);
    document.body.append(provider);
    const { exp, iat } = claims(token);
    const wait = Math.max(1000, Math.min((exp - iat) * 800, exp * 1000 - Date.now() - 30000, 0x7fffffff));
    setTimeout(again, wait);
  }

  async function again() {
    try {
      const token = await renew();
      if (token) { provide(token); return; }
      say('Your sign-in has ended. Save your work elsewhere if you need it, then sign in again.');
    } catch {
      // The server may only be starting again.
      setTimeout(again, 15000);
    }
  }

  function say(text, href, label) {
    message.textContent = text;
    if (!href) return;
    const link = document.createElement('a');
    link.href = href;
    link.textContent = label;
    message.append(' ', link);
  }

  function problem(text) {
    const p = document.createElement('p');
    p.className = 'pw-problem';
    p.textContent = text;
    document.getElementById('pw-studio').append(p);
  }

  // After a run the editor would change the address to a page that it expects here; the page stays and says where the run is.
  const push = history.pushState;
  history.pushState = function (state, title, url) {
    const run = /\/workflows\/instances\/([^/?]+)\/view/.exec(String(url));
    if (run) {
      const id = decodeURIComponent(run[1]);
      say('The workflow ran.', `/studio/host/instance?id=${encodeURIComponent(id)}`, 'Show the instance');
      return undefined;
    }
    const edit = /\/workflows\/definitions\/([^/?]+)\/edit/.exec(String(url));
    if (edit) { goTo('editor', decodeURIComponent(edit[1])); return undefined; }
    return push.apply(this, arguments);
  };

  document.getElementById('pw-sign-out').addEventListener('click', async () => {
    await fetch('/studio/host/session', { method: 'DELETE' });
    location.assign('/sign-in');
  });
  const theme = /(?:^|; )pw-theme=(dark|light)/.exec(document.cookie);
  if (theme) document.documentElement.dataset.theme = theme[1];
  for (const link of document.querySelectorAll('.pw-bar nav a')) if (new URL(link.href).pathname === location.pathname) link.setAttribute('aria-current', 'page');

  (async () => {
    const wanted = pages[page];
    let token;
    try {
      token = await renew();
    } catch {
      say('The server did not answer. It may only be starting again.', location.href, 'Try again');
      return;
    }
    if (!wanted || !token) { signIn(); return; }
    document.getElementById('pw-user').textContent = claims(token).name ?? claims(token).sub;
    document.title = wanted.title;
    const element = document.createElement(wanted.element);
    if (wanted.attribute) {
      // The element breaks on an id that does not exist.
      const id = query.get('id');
      const answer = id && await fetch(api + wanted.look(id), { headers: { Authorization: 'Bearer ' + token } });
      if (answer && answer.status === 401) { signIn(); return; }
      if (!answer || !answer.ok) { problem(!id ? 'The address names nothing to show.' : answer.status === 404 ? `There is no ${wanted.title.toLowerCase()} "${id}".` : 'You may not look at this.'); return; }
      document.title = `${wanted.title} ${id}`;
      element.setAttribute(wanted.attribute, id);
    }
    provide(token);
    document.getElementById('pw-studio').append(element);
    for (const [name, callback] of Object.entries(wanted.callbacks ?? {})) {
      await customElements.whenDefined(wanted.element);
      element[name] = callback;
    }
  })();
})();

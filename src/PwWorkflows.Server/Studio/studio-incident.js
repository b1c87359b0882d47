// Beside the viewer: where and why the open instance has stopped, and the retry from exactly there.
(() => {
  'use strict';
  if (location.pathname !== '/studio/host/instance') return;
  const instance = new URLSearchParams(location.search).get('id');
  const panel = document.getElementById('pw-incident');
  if (!instance || !panel) return;
  const { token, make, may } = window.pwStudio; // studio-host.js
  const address = '/workflow-instances/' + encodeURIComponent(instance);
  const pause = 4000;
  const stuck = ['Faulted', 'Interrupted']; // failed, or parked after too many deaths of its nodes
  let shown = null; // the time of the stop that the panel shows
  let busy = false;

  const call = (path, method) => fetch(path, { method: method ?? 'GET', headers: { Authorization: 'Bearer ' + token() } });

  function show(found) {
    const last = (found.workflowState?.incidents ?? []).at(-1);
    const message = make('p', { class: 'pw-said', role: 'status' });
    const retry = make('button', { type: 'button', class: 'pw-approve', text: 'Retry from this step' });
    retry.addEventListener('click', async () => {
      if (busy) return;
      busy = retry.disabled = true;
      try {
        const answer = await call('/api/v1/admin' + address + '/retry', 'POST');
        if (answer.ok) panel.replaceChildren(make('h2', { text: 'Goes on from the failed step' }), make('p', { text: 'What was done before it is not done again.' }));
        else { message.textContent = (await answer.json()).detail ?? 'The server refused it.'; retry.disabled = false; }
      } catch {
        message.textContent = 'The server did not answer. Look again before you try again.';
        retry.disabled = false;
      } finally {
        busy = false;
      }
    });
    panel.replaceChildren(
      make('h2', { text: 'Stopped' + (last?.activityId ? ' at ' + last.activityId : '') }),
      ...(last ? [make('p', { class: 'pw-title', text: last.message })] : []),
      make('p', { text: 'Put the cause right first: a retry does the same step again, and nothing that was done before it.' }),
      make('div', { class: 'pw-word' }, ...(may('cancel:workflow-instances') /* operators */ ? [retry] : [make('p', { text: 'An operator can retry it.' })])),
      message,
      make('p', {}, make('a', { href: '/instances?definition=' + encodeURIComponent(found.definitionId), text: 'All that are stuck alike' })),
    );
    panel.hidden = false;
  }

  async function look() {
    try {
      if (token() && !busy && !document.hidden) {
        const state = await call('/elsa/api' + address + '/execution-state');
        const now = state.ok ? await state.json() : null;
        if (now && !stuck.includes(now.subStatus)) {
          // Whoever has retried it, here or elsewhere.
          if (now.status === 'Finished' && !panel.hidden) panel.replaceChildren(make('h2', { text: now.subStatus }), make('p', { text: 'It went on from the failed step and has ended. Load the page again to see all of it.' }));
          shown = null;
        } else if (now && now.updatedAt !== shown) {
          const answer = await call('/elsa/api' + address);
          if (answer.ok && !busy) { shown = now.updatedAt; show(await answer.json()); }
        }
      }
    } catch {
      // The server may only be starting again.
    }
    setTimeout(look, pause);
  }

  look();
})();

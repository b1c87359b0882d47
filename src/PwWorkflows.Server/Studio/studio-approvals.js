// Beside the viewer: what the open instance waits for an administrator's word for, and the word itself.
(() => {
  'use strict';
  if (location.pathname !== '/studio/host/instance') return;
  const instance = new URLSearchParams(location.search).get('id');
  const panel = document.getElementById('pw-approvals');
  if (!instance || !panel) return;
  const api = '/api/v1/admin/approvals';
  const pause = 4000;
  let shown = ''; // what the panel shows now: it is left alone while that is still so
  let watched = null; // the request shown, until its outcome was seen
  let busy = false;

  const { token, make } = window.pwStudio; // studio-host.js

  async function call(path, body) {
    const answer = await fetch(api + path, {
      method: body ? 'POST' : 'GET',
      headers: { Authorization: 'Bearer ' + token(), ...(body ? { 'Content-Type': 'application/json' } : {}) },
      body: body && JSON.stringify(body),
    });
    return { ok: answer.ok, status: answer.status, body: await answer.json() };
  }

  function show(view, said) {
    const { approval, checks, standing, amount } = view;
    shown = JSON.stringify([approval.id, approval.status, approval.decisions.length]);
    watched = approval.id;
    const note = make('textarea', { id: 'pw-note', rows: '2', maxlength: '2000' });
    const message = make('p', { class: 'pw-said', role: 'status', text: said ?? '' });
    const decide = async (button, decision) => {
      if (busy) return;
      if (decision === 'reject' && !note.value.trim()) { message.textContent = 'Say why you reject it.'; note.focus(); return; }
      busy = true;
      for (const other of panel.querySelectorAll('button')) other.disabled = true;
      try {
        const answer = await call(`/${encodeURIComponent(approval.id)}/decide`, { decision, note: note.value.trim(), via: 'studio' });
        if (answer.ok) show(answer.body, answer.body.approval.status === 'waiting' ? 'Your approval is recorded. A second person must approve as well.' : 'The workflow goes on.');
        else {
          const now = await call('/' + encodeURIComponent(approval.id));
          show(now.body, 'Nothing was changed. ' + answer.body.detail);
        }
      } catch {
        message.textContent = 'The server did not answer. Look again before you try again.';
        for (const other of panel.querySelectorAll('button')) other.disabled = false;
      } finally {
        busy = false;
      }
    };
    const button = (label, decision, kind) => {
      const made = make('button', { type: 'button', class: kind, text: label });
      made.addEventListener('click', () => decide(made, decision));
      return made;
    };
    const facts = [
      ...(approval.order_number ? [['Order', approval.order_number]] : []),
      ...approval.details.map(d => [d.name, d.value]),
      ...(approval.subject ? [['Holds for', approval.subject]] : []),
      ['Asked by', (approval.requested_by ?? 'the system') + ', by the workflow ' + approval.definition_id],
    ].flatMap(([name, value]) => [make('dt', { text: name }), make('dd', { text: value })]);
    panel.replaceChildren(
      make('h2', { text: approval.status === 'waiting' ? 'Waits for an approval' : 'Approval ' + approval.status }),
      make('p', { class: 'pw-title', text: approval.title }),
      ...(amount ? [make('p', { class: 'pw-amount', text: amount })] : []),
      make('p', { text: standing }),
      make('dl', {}, ...facts),
      make('h3', { text: 'If approved' }), make('p', { text: approval.if_approved }),
      make('h3', { text: 'If rejected' }), make('p', { text: approval.if_rejected }),
      ...(approval.status === 'waiting' ? [
        make('h3', { text: 'Checks' }),
        make('ul', {}, ...checks.map(c => make('li', { class: c.passed ? 'pw-met' : 'pw-unmet', text: (c.passed ? '✓ ' : '✗ ') + c.text }))),
      ] : []),
      make('p', {}, make('a', { href: '/approvals/' + encodeURIComponent(approval.id), text: 'Open the request' })),
      ...(view.may_reject || view.may_approve ? [
        // Stays in view however long the facts are.
        make('div', { class: 'pw-decide' },
          make('label', { for: 'pw-note', text: 'Note (needed to reject)' }), note,
          make('div', { class: 'pw-word' }, ...(view.may_approve ? [button(amount ? 'Approve ' + amount : 'Approve', 'approve', 'pw-approve')] : []), button('Reject', 'reject', 'pw-reject')),
          message),
      ] : [message]),
    );
    panel.hidden = false;
  }

  async function look() {
    try {
      if (token() && !busy && !document.hidden) {
        const { ok, body } = await call('?status=waiting&take=1&instance_id=' + encodeURIComponent(instance));
        const id = ok ? body.approvals[0]?.id ?? watched : null;
        if (id && !busy) {
          const view = await call('/' + encodeURIComponent(id));
          if (view.ok && !busy && JSON.stringify([view.body.approval.id, view.body.approval.status, view.body.approval.decisions.length]) !== shown) show(view.body);
        }
      }
    } catch {
      // The server may only be starting again.
    }
    setTimeout(look, pause);
  }

  look();
})();

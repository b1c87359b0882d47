// Signs in and goes back to the page that asked for it.
(() => {
  'use strict';
  const form = document.getElementById('pw-sign-in');
  const message = document.getElementById('pw-message');
  const wanted = new URLSearchParams(location.search).get('next');
  // Only pages of our own: an address from elsewhere must not use the sign-in as its springboard.
  const next = wanted && /^\/studio\/host\/[^/\\]/.test(wanted) ? wanted : '/studio/host/workflows';
  form.addEventListener('submit', async event => {
    event.preventDefault();
    message.textContent = '';
    const fields = new FormData(form);
    try {
      const answer = await fetch('/elsa/api/identity/login', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ username: fields.get('username'), password: fields.get('password') }),
      });
      if (answer.status === 429) {
        message.textContent = `Too many wrong tries. Try again in ${answer.headers.get('Retry-After')} seconds.`;
        return;
      }
      const result = answer.ok ? await answer.json() : {};
      if (!result.isAuthenticated) {
        message.textContent = answer.ok ? 'The name or the password is wrong.' : 'The server does not answer as it should. Try again.';
        return;
      }
      sessionStorage.setItem('pw-studio', JSON.stringify({ access: result.accessToken, refresh: result.refreshToken }));
      location.replace(next);
    } catch {
      message.textContent = 'The server can not be reached. Try again.';
    }
  });
})();

// The foreign home's two pages: plain forms that a script or a browser fills in.

const escape = (text) => `${text ?? ''}`.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const page = (uid, fields, wrong) => `<!doctype html><html lang="en"><title>Home tenant</title>
<main><h1>Home tenant</h1>${wrong ? `<p role="alert">${escape(wrong)}</p>` : ''}
<form method="post" action="/interaction/${escape(uid)}">${fields}<button type="submit">Sign in</button></form></main></html>`;

/** Asks `login` and `password`. */
export const loginPage = (uid, login, wrong) => page(uid, `
<label>Login <input name="login" autocomplete="username" value="${escape(login)}"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>`, wrong);

/** Asks `otp`. */
export const otpPage = (uid, wrong) => page(uid, `
<label>Code <input name="otp" inputmode="numeric" autocomplete="one-time-code"></label>`, wrong);

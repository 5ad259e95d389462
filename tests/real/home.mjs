// A home tenant that nobody here wrote: panva's oidc-provider, with amr, acr and auth_time, honouring acr_values.
// argv[2] is JSON: {port, clientId, clientSecret, redirectUri, accounts: {email: {sub, name, unasked: [amr], asked: [amr] | null}}}
import http from 'node:http';
import Provider, { interactionPolicy } from 'oidc-provider';

const config = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${config.port}`;
const MFA = 'https://refeds.org/profile/mfa';
const SFA = 'https://refeds.org/profile/sfa';
const log = [];

const { Check, base } = interactionPolicy;
const policy = base();
const wantsMfa = (params) => (params.acr_values ?? '').split(' ').includes(MFA);
policy.get('login').checks.add(
  new Check('mfa_asked', 'a second factor was asked for', (ctx) => {
    const { session, params, result } = ctx.oidc;
    const account = Object.values(config.accounts).find((a) => a.sub === session.accountId);
    const needed = wantsMfa(params) && session.accountId && session.acr !== MFA && !result?.login && account?.asked;
    return needed ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
  }),
);

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: config.clientId,
      client_secret: config.clientSecret,
      redirect_uris: [config.redirectUri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      require_auth_time: true,
    },
  ],
  acrValues: [SFA, MFA],
  claims: {
    openid: ['sub', 'acr', 'amr', 'auth_time'],
    email: ['email', 'email_verified'],
    profile: ['name', 'given_name', 'family_name'],
  },
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true } },
  interactions: { policy, url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ['test-only'] },
  pkce: { required: () => true },
  findAccount: (ctx, sub) => {
    const [email, a] = Object.entries(config.accounts).find(([, account]) => account.sub === sub) ?? [];
    if (!email) return undefined;
    const [given_name, family_name] = a.name.split(' ');
    return { accountId: sub, claims: () => ({ sub, email, email_verified: true, name: a.name, given_name, family_name }) };
  },
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
});

const form = (uid, hint, second) => `<!doctype html><html lang="en"><title>Sign in</title><h1>Foreign home</h1>
<form method="post" action="/interaction/${uid}"><label>User name <input name="username" value="${hint}"></label>
${second ? '<label>Code <input name="code" value=""></label>' : '<label>Password <input type="password" name="password" value=""></label>'}
<button>Go on</button></form></html>`;

async function interaction(req, res, uid) {
  const { params, prompt } = await provider.interactionDetails(req, res);
  if (req.method === 'GET') {
    const hint = (params.login_hint ?? '').replace(/[<>"&]/g, '');
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end(form(uid, hint, prompt.reasons.includes('mfa_asked')));
    return;
  }
  let body = '';
  for await (const chunk of req) body += chunk;
  const account = config.accounts[new URLSearchParams(body).get('username')];
  const mfa = wantsMfa(params) && account.asked;
  const amr = mfa ? account.asked : account.unasked;
  log.push({ event: mfa ? 'second factor' : 'password', sub: account.sub, acr_values: params.acr_values ?? null });
  const acr = amr.includes('mfa') ? MFA : SFA;
  await provider.interactionFinished(req, res, { login: { accountId: account.sub, acr, amr } });
}

const callback = provider.callback();
http
  .createServer((req, res) => {
    const url = new URL(req.url, issuer);
    if (url.pathname === '/_log') {
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify(log));
      return;
    }
    if (url.pathname === '/auth') log.push({ event: 'authorize', ...Object.fromEntries(url.searchParams) });
    const match = url.pathname.match(/^\/interaction\/([\w-]+)$/);
    if (match) {
      interaction(req, res, match[1]).catch((e) => {
        res.statusCode = 500;
        res.end(String(e));
      });
      return;
    }
    callback(req, res);
  })
  .listen(config.port, '127.0.0.1', () => console.log('ready'));

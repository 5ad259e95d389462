// A home tenant that nobody here wrote: npm oidc-provider on loopback http.
//
// argv[2]: JSON {
//   port, clientId, clientSecret, redirectUri,
//   clientMetadata?  more of the client's registration (RFC 7591 names), e.g. token_endpoint_auth_method
//   accounts         {login: {sub, factors, password?, otp?, ...claims}}
//                    factors: "pwd" never MFA | "mfa" always pwd and otp | "ask" otp only when MFA is asked for
//   auto?            true: the account named by login_hint (or the first) signs in without a page
//   claimsIn?        "id_token" (default) | "userinfo": where email, name ... are answered
//   par?             false: no pushed authorization requests; "required": no others
//   signed?          true: request objects (RFC 9101) only
//   fapi?            true: FAPI 2.0 and its algorithms
//   nonces?          true: proofs of possession (RFC 9449) hold a nonce of the server's
//   formPost?        true: the metadata names form_post as the only response mode
//   host?            "localhost": another site to a browser than 127.0.0.1
// }
// Prints {"ready": true, "issuer": "..."} when listening. GET /_log answers everything asked of it, in order:
//   {"kind": "authorize", "params": {...}, "pushed": bool, "signed": bool} | {"kind": "challenge", "login", "factor": "pwd"|"otp"}
// GET /_calls: the same of the requests of clients: {"kind": "token"|"userinfo", "status", "auth"?, "proof": bool}
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import Provider, { interactionPolicy } from 'oidc-provider';

import { loginPage, otpPage } from './pages.mjs';

const ONE_FACTOR = 'urn:x:1fa';
const MFA = 'https://refeds.org/profile/mfa';

const config = JSON.parse(process.argv[2]);
const issuer = `http://${config.host ?? '127.0.0.1'}:${config.port}`;
const bySub = new Map(Object.entries(config.accounts).map(([login, account]) => [account.sub, { login, ...account }]));
const log = [];
const calls = [];
const halfway = new Map(); // interaction uid -> login whose password was right, second factor outstanding

/** Whether this request would like MFA, essential or voluntary (OIDC Core 3.1.2.1, 5.5.1.1). */
function asksMfa(acrValues, claims) {
  const acr = claims?.id_token?.acr;
  return [...(acrValues ?? '').split(' '), ...(acr?.values ?? []), acr?.value].includes(MFA);
}

// A session of one factor steps up when MFA is asked for and the account can do it. Otherwise the request goes on
// with what it has; oidc-provider alone never prompts for a voluntary acr.
const policy = interactionPolicy.base();
policy.get('login').checks.add(new interactionPolicy.Check('step_up', 'a second factor is asked for', ({ oidc }) => (
  Boolean(oidc.session.accountId)
  && !oidc.result?.login
  && oidc.session.acr !== MFA
  && bySub.get(oidc.session.accountId)?.factors !== 'pwd'
  && asksMfa(oidc.params.acr_values, oidc.claims)
)));

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg,
});

const provider = new Provider(issuer, {
  clients: [{
    client_id: config.clientId,
    client_secret: config.clientSecret,
    redirect_uris: [config.redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    ...config.clientMetadata,
  }],
  jwks: { keys: [key('rsa', { modulusLength: 2048 }, 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ES256')] },
  acrValues: [ONE_FACTOR, MFA],
  claims: {
    openid: ['sub', 'acr', 'amr', 'auth_time'],
    email: ['email', 'email_verified'],
    profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale'],
  },
  conformIdTokenClaims: config.claimsIn === 'userinfo',
  scopes: ['openid', 'email', 'profile', 'offline_access'],
  features: {
    devInteractions: { enabled: false },
    claimsParameter: { enabled: true },
    pushedAuthorizationRequests: { enabled: config.par ?? true, requirePushedAuthorizationRequests: config.par === 'required' },
    requestObjects: { enabled: config.signed ?? false, requireSignedRequestObject: config.signed ?? false },
    fapi: { enabled: config.fapi ?? false, profile: config.fapi ? '2.0' : undefined },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => config.nonces ?? false },
    rpInitiatedLogout: { enabled: true },
  },
  ...(config.fapi && {
    clientAuthMethods: ['private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['PS256', 'ES256'], idTokenSigningAlgValues: ['ES256'] },
  }),
  // The keys of clients on loopback are fetched too.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  interactions: { policy, url: (_ctx, { uid }) => `/interaction/${uid}` },
  // Browsers send a host's cookies to all its ports: two homes on loopback must not share names.
  cookies: {
    keys: [randomBytes(24).toString('hex')],
    names: { session: `s${config.port}`, interaction: `i${config.port}`, resume: `r${config.port}` },
  },
  async findAccount(_ctx, sub) {
    if (!bySub.has(sub)) return undefined;
    const { login, factors, password, otp, ...claims } = bySub.get(sub);
    return { accountId: sub, claims: async () => claims };
  },
  async loadExistingGrant(ctx) { // consent is never a question at this home
    const { oidc } = ctx;
    const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope('openid email profile offline_access');
    grant.addOIDCClaims([...oidc.requestParamClaims]);
    await grant.save();
    return grant;
  },
  ttl: { Interaction: 3600, Session: 86400, Grant: 86400, AccessToken: 600, IdToken: 600, RefreshToken: 86400 },
});

provider.use(async (ctx, next) => {
  await next();
  if (ctx.oidc?.route === 'authorization') {
    const params = Object.fromEntries(Object.entries(ctx.oidc.params ?? {}).filter(([, value]) => value !== undefined));
    log.push({ kind: 'authorize', params, pushed: Boolean(ctx.oidc.entities.PushedAuthorizationRequest), signed: 'request' in ctx.query });
  }
  if (['token', 'userinfo'].includes(ctx.oidc?.route)) {
    calls.push({ kind: ctx.oidc.route, status: ctx.status, auth: ctx.oidc.client?.clientAuthMethod, proof: ctx.get('DPoP') !== '' });
  }
  if (config.formPost && ctx.oidc?.route === 'discovery') ctx.body.response_modes_supported = ['form_post'];
});

function finish(req, res, login, amr, ts) {
  const acr = amr.includes('mfa') ? MFA : ONE_FACTOR;
  const { sub } = config.accounts[login];
  return provider.interactionFinished(req, res, { login: { accountId: sub, amr, acr, ts } });
}

/** What the interaction is about: who is known already, and whether a second factor is wanted of whoever signs in. */
function wants({ prompt, params, session }) {
  const steppingUp = prompt.reasons.every((reason) => ['step_up', 'essential_acr', 'essential_acrs'].includes(reason));
  const known = steppingUp && session?.accountId ? bySub.get(session.accountId) : undefined;
  const mfa = asksMfa(params.acr_values, params.claims && JSON.parse(params.claims));
  return { known, mfa, essential: prompt.reasons.some((reason) => reason.startsWith('essential_acr')) };
}

const needsOtp = (account, mfa) => account.factors === 'mfa' || (account.factors === 'ask' && mfa);
const now = () => Math.floor(Date.now() / 1000);

async function body(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  return Object.fromEntries(new URLSearchParams(text));
}

async function interact(req, res) {
  const details = await provider.interactionDetails(req, res);
  const { uid, prompt, params, session } = details;
  const { known, mfa, essential } = wants(details);
  const html = (status, page) => res.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(page);

  if (prompt.name === 'consent') return provider.interactionFinished(req, res, { consent: {} }, { mergeWithLastSubmission: true });
  // Without this an essential acr out of reach would prompt for ever (OIDC Core 5.5.1.1: treat it as failed).
  if (essential && known && !needsOtp(known, mfa)) {
    return provider.interactionFinished(req, res, {
      error: 'unmet_authentication_requirements', error_description: 'this account has no second factor',
    });
  }
  if (config.auto) {
    const login = known?.login ?? (params.login_hint in config.accounts ? params.login_hint : Object.keys(config.accounts)[0]);
    return finish(req, res, login, needsOtp(config.accounts[login], mfa) ? ['pwd', 'otp', 'mfa'] : ['pwd'], now());
  }
  const form = req.method === 'POST' ? await body(req) : {};
  const waiting = known?.login ?? halfway.get(uid);
  if (waiting) {
    if (form.otp === undefined) return html(200, otpPage(uid));
    const account = config.accounts[waiting];
    if (form.otp !== (account.otp ?? '123456')) return html(400, otpPage(uid, 'Wrong code.'));
    log.push({ kind: 'challenge', login: waiting, factor: 'otp' });
    halfway.delete(uid);
    // After a step-up the password is as old as the session: auth_time must not claim more. The interaction's own
    // copy of the session leaves loginTs out.
    const passwordAt = known ? (await provider.Session.findByUid(session.uid)).authTime() : now();
    return finish(req, res, waiting, ['pwd', 'otp', 'mfa'], passwordAt);
  }
  if (form.login === undefined) return html(200, loginPage(uid, params.login_hint));
  const account = config.accounts[form.login];
  if (!account || form.password !== (account.password ?? 'password')) return html(400, loginPage(uid, form.login, 'Wrong login or password.'));
  log.push({ kind: 'challenge', login: form.login, factor: 'pwd' });
  if (!needsOtp(account, mfa)) return finish(req, res, form.login, ['pwd'], now());
  halfway.set(uid, form.login);
  return html(200, otpPage(uid));
}

const answer = provider.callback();
createServer((req, res) => {
  if (['/_log', '/_calls'].includes(req.url)) {
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(req.url === '/_log' ? log : calls));
  } else if (req.url.startsWith('/interaction/')) {
    interact(req, res).catch((error) => res.writeHead(error.statusCode ?? 500, { 'content-type': 'text/plain' }).end(`${error}`));
  } else {
    answer(req, res);
  }
}).listen(config.port, '127.0.0.1', () => console.log(JSON.stringify({ ready: true, issuer })));

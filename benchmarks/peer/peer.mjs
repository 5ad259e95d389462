// npm oidc-provider doing b2b-idp's work: apps of its own, people signed in through a home tenant, a durable database.
//
// argv[2]: JSON {port, database: {adapter: "sqlite" | "postgres", at}, clients: [RFC 7591 metadata],
// home: {issuer, clientId, clientSecret}}
// As in b2b-idp: id_tokens RS256, access tokens ES256 JWTs that live 10 minutes, refresh tokens rotate, PKCE everywhere.
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import Provider from 'oidc-provider';

const { port, database, clients, home } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const API = `${issuer}/api`;
const CALLBACK = `${issuer}/federation/callback`;

const { open } = await import(`./${database.adapter}.mjs`);
const { adapter, guests } = await open(database.at);
const upstream = await (await fetch(`${home.issuer}/.well-known/openid-configuration`)).json();
const upstreamKeys = createRemoteJWKSet(new URL(upstream.jwks_uri));

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg,
});

const provider = new Provider(issuer, {
  adapter,
  clients,
  jwks: { keys: [key('rsa', { modulusLength: 2048 }, 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ES256')] },
  cookies: { keys: [randomBytes(24).toString('hex')] },
  claims: { openid: ['sub', 'amr', 'acr', 'auth_time'], email: ['email'], profile: ['name'] },
  acrValues: ['https://refeds.org/profile/mfa'],
  conformIdTokenClaims: false,
  scopes: ['openid', 'email', 'profile', 'offline_access', 'api'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: () => false,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'api', audience: API, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  interactions: { url: (_ctx, { uid }) => `/federation/${uid}` },
  async findAccount(_ctx, id) {
    const claims = await guests.claims(id);
    return claims && { accountId: id, claims: async () => ({ ...claims, sub: id }) };
  },
  async loadExistingGrant({ oidc }) { // consent was given long ago
    const known = oidc.session.grantIdFor(oidc.client.clientId);
    if (known) return oidc.provider.Grant.find(known);
    const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope('openid email profile offline_access');
    grant.addResourceScope(API, 'api');
    await grant.save();
    return grant;
  },
  ttl: { Interaction: 3600, Session: 86400, Grant: 86400, AccessToken: 600, ClientCredentials: 600, IdToken: 600, RefreshToken: 86400 },
});

/** Off to the home tenant: code, PKCE, state, nonce. What must be known on return is kept, durably, by state. */
const journeys = new adapter('Journey');
const base64 = () => randomBytes(32).toString('base64url');

async function depart(req, res) {
  const { uid, params } = await provider.interactionDetails(req, res);
  const [state, nonce, verifier] = [base64(), base64(), base64()];
  await journeys.upsert(state, { interaction: uid, nonce, verifier }, 3600);
  const to = new URL(upstream.authorization_endpoint);
  to.search = new URLSearchParams({
    response_type: 'code', client_id: home.clientId, redirect_uri: CALLBACK, scope: 'openid email profile', state, nonce,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
    login_hint: params.login_hint,
  });
  // The callback has one address for all interactions: the cookie that names this one must reach it.
  res.setHeader('set-cookie', `journey=${uid}; path=/federation/callback; httponly; samesite=lax`);
  res.writeHead(302, { location: to.href }).end();
}

async function comeBack(req, res, query) {
  const state = query.get('state');
  const journey = await journeys.find(state);
  const cookie = /(?:^|; )journey=([^;]+)/.exec(req.headers.cookie ?? '')?.[1];
  if (!journey || cookie !== journey.interaction || query.get('iss') !== home.issuer) throw new Error('not begun here');
  await journeys.destroy(state);
  const answer = await fetch(upstream.token_endpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${encodeURIComponent(home.clientId)}:${encodeURIComponent(home.clientSecret)}`)}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code', code: query.get('code'), redirect_uri: CALLBACK, code_verifier: journey.verifier,
    }),
  });
  const { payload } = await jwtVerify((await answer.json()).id_token, upstreamKeys, {
    issuer: home.issuer, audience: home.clientId, algorithms: ['ES256'], requiredClaims: ['sub', 'exp', 'iat'],
  });
  if (payload.nonce !== journey.nonce) throw new Error('nonce');
  const { sub, email, name, amr, acr, auth_time: ts } = payload;
  const interaction = await provider.Interaction.find(journey.interaction);
  const accountId = await guests.signedIn(home.issuer, sub, { email, name }, randomUUID());
  interaction.result = { login: { accountId, amr, acr, ts } };
  await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
  res.writeHead(303, { location: interaction.returnTo }).end();
}

const answer = provider.callback();
createServer((req, res) => {
  const url = new URL(req.url, issuer);
  const fail = (error) => res.writeHead(400, { 'content-type': 'text/plain' }).end(`${error}`);
  if (url.pathname === '/federation/callback') comeBack(req, res, url.searchParams).catch(fail);
  else if (url.pathname.startsWith('/federation/')) depart(req, res).catch(fail);
  else answer(req, res);
}).listen(port, '127.0.0.1');

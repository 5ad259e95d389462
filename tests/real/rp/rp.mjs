// A relying party that nobody here wrote: npm openid-client.
//
// key    {} -> {jwk}: a new ES256 key of the relying party, its public half
// start  {issuer, client_id, client_secret?, auth?: "basic"|"post"|"none"|"key", metadata?, redirect_uri, scope?, params?,
//         par?, jar?, jarm?, dpop?}
//        -> {url}: authorization request with PKCE, state and nonce; pushed, signed by the key, to be answered in a JWT
// refresh {which: "first"|"newest"} -> {claims}: one refresh, with the refresh token of the sign-in or the newest one
// end    {post_logout_redirect_uri} -> {url}: where to sign out, with the newest id_token as hint
// finish {url: the callback's, keep?} -> {claims, tokenType, accessToken, userinfo, refreshed, introspected, revoked}
//        refreshed: id_token claims (or null) after one refresh, introspected: of the access token,
//        revoked: true when the refresh token is inactive afterwards; the last three null without a refresh token or
//        endpoint, or with `keep`, which leaves the tokens for `refresh` and `end`
import * as oidc from 'openid-client';

import { serve } from '../lines.mjs';

let config;
let pending;
let kept;
let keys;

const AUTH = { basic: oidc.ClientSecretBasic, post: oidc.ClientSecretPost, none: () => oidc.None(), key: () => oidc.PrivateKeyJwt(keys.privateKey) };

async function key() {
  keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey);
  return { jwk: { kty, crv, x, y } };
}

async function start(ask) {
  const auth = AUTH[ask.auth ?? (ask.client_secret ? 'basic' : 'none')](ask.client_secret);
  config = await oidc.discovery(new URL(ask.issuer), ask.client_id, ask.metadata, auth, {
    execute: [oidc.allowInsecureRequests], // loopback http
  });
  if (ask.jarm) oidc.useJwtResponseMode(config);
  const verifier = oidc.randomPKCECodeVerifier();
  const dpop = ask.dpop ? oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair()) : undefined;
  pending = {
    checks: { pkceCodeVerifier: verifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce(), idTokenExpected: true },
    options: dpop && { DPoP: dpop },
  };
  const params = {
    redirect_uri: ask.redirect_uri,
    scope: ask.scope ?? 'openid profile email offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: pending.checks.expectedState,
    nonce: pending.checks.expectedNonce,
    ...ask.params,
  };
  if (params.max_age !== undefined) pending.checks.maxAge = Number(params.max_age);
  const asked = ask.jar ? (await oidc.buildAuthorizationUrlWithJAR(config, params, keys.privateKey)).searchParams : params;
  const url = ask.par
    ? await oidc.buildAuthorizationUrlWithPAR(config, asked, pending.options)
    : oidc.buildAuthorizationUrl(config, asked);
  return { url: url.href };
}

async function finish({ url, keep }) {
  const { checks, options } = pending;
  const tokens = await oidc.authorizationCodeGrant(config, new URL(url), checks, undefined, options);
  const claims = tokens.claims();
  kept = { first: tokens, newest: tokens };
  const server = config.serverMetadata();
  const answer = {
    claims,
    tokenType: tokens.token_type,
    accessToken: tokens.access_token,
    userinfo: await oidc.fetchUserInfo(config, tokens.access_token, claims.sub, options),
    refreshed: null,
    introspected: null,
    revoked: null,
  };
  if (keep) return answer;
  if (server.introspection_endpoint) answer.introspected = await oidc.tokenIntrospection(config, tokens.access_token);
  if (tokens.refresh_token) {
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, options);
    answer.refreshed = next.claims() ?? null;
    if (server.revocation_endpoint && server.introspection_endpoint) {
      const newest = next.refresh_token ?? tokens.refresh_token;
      await oidc.tokenRevocation(config, newest);
      answer.revoked = !(await oidc.tokenIntrospection(config, newest)).active;
    }
  }
  return answer;
}

async function refresh({ which }) {
  kept.newest = await oidc.refreshTokenGrant(config, kept[which].refresh_token, undefined, pending.options);
  return { claims: kept.newest.claims() };
}

async function end({ post_logout_redirect_uri }) {
  return { url: oidc.buildEndSessionUrl(config, { post_logout_redirect_uri, id_token_hint: kept.newest.id_token }).href };
}

await serve({ key, start, finish, refresh, end });

// A relying party that nobody here wrote: panva's openid-client. One JSON command a line in, one JSON answer a line out.
import readline from 'node:readline';
import * as client from 'openid-client';

let config;
let pending;
const insecure = { execute: [client.allowInsecureRequests] };

const commands = {
  async discover({ issuer, clientId, clientSecret }) {
    config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, insecure);
    return config.serverMetadata();
  },
  async start({ redirectUri, scope, ...extra }) {
    const verifier = client.randomPKCECodeVerifier();
    pending = { verifier, state: client.randomState(), nonce: client.randomNonce() };
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...extra,
    });
    return { url: url.href };
  },
  async finish({ url }) {
    const tokens = await client.authorizationCodeGrant(config, new URL(url), {
      pkceCodeVerifier: pending.verifier,
      expectedState: pending.state,
      expectedNonce: pending.nonce,
      idTokenExpected: true,
    });
    return { ...tokens, claims: tokens.claims() };
  },
  async userinfo({ accessToken, sub }) {
    return client.fetchUserInfo(config, accessToken, sub);
  },
  async refresh({ refreshToken }) {
    const tokens = await client.refreshTokenGrant(config, refreshToken);
    return { ...tokens, claims: tokens.claims() };
  },
  async introspect({ token }) {
    return client.tokenIntrospection(config, token);
  },
  async revoke({ token }) {
    await client.tokenRevocation(config, token);
    return {};
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { do: name, ...args } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ ok: await commands[name](args) }));
  } catch (e) {
    console.log(JSON.stringify({ failed: { name: e.name, code: e.code, error: e.error, message: e.message } }));
  }
}

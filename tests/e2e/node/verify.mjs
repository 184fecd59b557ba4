// Verifies RS256 tokens as receivers do.   usage: node verify.mjs JWKS_URL TOKEN...
// Prints one line "verified LIBRARY KID" for each token and library; exits 1 at the first that fails.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import jwksClient from 'jwks-rsa';

const issuer = 'https://live-events.canvas.instructure.com';
const [url, ...tokens] = process.argv.slice(2);
const remote = createRemoteJWKSet(new URL(url));
const client = jwksClient({ jwksUri: url });

for (const token of tokens) {
  const { protectedHeader, payload } = await jwtVerify(token, remote, { issuer, algorithms: ['RS256'] });
  if (!payload.metadata || !payload.body) throw new Error('claims without metadata or body');
  console.log(`verified jose ${protectedHeader.kid}`);

  const key = await client.getSigningKey(protectedHeader.kid);
  jsonwebtoken.verify(token, key.getPublicKey(), { issuer, algorithms: ['RS256'] });
  console.log(`verified jsonwebtoken ${protectedHeader.kid}`);
}

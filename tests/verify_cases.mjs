// Runs verify.js on cases from standard input and prints what it says of each: [{name, ...}] -> {name: answer}.
import { readFileSync } from "node:fs";

const verify = await import(process.argv[2]);
const cases = JSON.parse(readFileSync(0, "utf8"));
const doing = {
  inclusion: ({ index, size, leaf, proof, root }) =>
    verify.verifyInclusion(index, size, verify.fromHex(leaf), proof.map(verify.fromHex), verify.fromHex(root)),
  roots: async ({ leaves }) => {
    const tree = await verify.MerkleTree.over(await Promise.all(leaves.map((one) => verify.leafHash(verify.fromHex(one)))));
    return Promise.all(Array.from({ length: leaves.length + 1 }, async (_, size) => verify.hexOf(await tree.root(size))));
  },
  note: async ({ note, name, key }) => verify.noteSignedBy(verify.readNote(note), name, verify.fromBase64(key)),
  file: async ({ file, key }) => verify.verifyFile(verify.readFile(file), verify.fromBase64url(key)),
};
const told = {};
for (const [name, [what, facts]] of Object.entries(cases)) {
  try {
    told[name] = await doing[what](facts);
  } catch (error) {
    told[name] = `error ${error.message}`;
  }
}
console.log(JSON.stringify(told));

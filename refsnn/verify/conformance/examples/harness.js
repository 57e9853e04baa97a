// A program over stdio, for node: refsnn conformance --adapter-cmd "node harness.js"
const each = (value, n) => Array.isArray(value) ? value : Array(n).fill(value);          // one value a neuron
const like = (array, data) => ({ dtype: "float64", shape: array.shape, data });
const decay = (dt, tau) => Math.exp(-dt / tau);

const operations = {
  decay: ({ tau }, { dt }) => ({ alpha: like(tau, tau.data.map(t => decay(dt, t))) }),

  surrogate: ({ V }, { threshold, slope }) => ({ sigma: like(V, V.data.map(v => (1 + slope * Math.abs(v - threshold)) ** -2)) }),

  lif_step: ({ I, V, S, drive }, { dt, tau_syn, tau_mem, threshold }) => {
    const n = V.shape[1], [syn, mem, theta] = [tau_syn, tau_mem, threshold].map(value => each(value, n));
    const current = I.data.map((x, k) => decay(dt, syn[k % n]) * x + drive.data[k]);                          // (B, N), flat
    const membrane = V.data.map((x, k) => decay(dt, mem[k % n]) * x + current[k] - theta[k % n] * S.data[k]);
    return { I_next: like(V, current), V_next: like(V, membrane), S_next: like(V, membrane.map((x, k) => x > theta[k % n] ? 1 : 0)) };
  },

  cross_entropy: ({ m, labels }) => {
    const [batch, classes] = m.shape, dm = [];
    let loss = 0;
    labels.data.forEach((label, b) => {
      const row = m.data.slice(b * classes, (b + 1) * classes), largest = Math.max(...row);
      const total = row.reduce((sum, x) => sum + Math.exp(x - largest), 0);
      loss += (largest + Math.log(total) - row[label]) / batch;
      row.forEach((x, k) => dm.push((Math.exp(x - largest) / total - (k === label ? 1 : 0)) / batch));
    });
    return { loss: { dtype: "float64", shape: [], data: [loss] }, dm: like(m, dm) };
  },
};

const answer = (line) => {
  const { cmd, seq, op, inputs, params } = JSON.parse(line);
  if (cmd === "stop") process.exit(0);
  if (cmd === "start") return { name: "node", version: process.version, dtype: "float64", ops: Object.keys(operations), conventions: {},
                                skip: { "must-fail": "inputs are not checked" } };
  try { return { seq, outputs: operations[op](inputs, params) }; } catch (error) { return { seq, error: String(error) }; }
};

require("readline").createInterface({ input: process.stdin }).on("line", line => console.log(JSON.stringify(answer(line))));

// SPDX-License-Identifier: MIT
// A host in gjs: gjs gjs-host.js PYTHON EXTENSION VENV-ROOT. What it is told, and how it answers, is in peers/serve.py.
imports.gi.versions.PyIsolate = '1';
const {Gio, GLib, PyIsolate} = imports.gi;
const Gjs = imports.system;

Gio._promisify(Gio.DataInputStream.prototype, 'read_line_async', 'read_line_finish_utf8');
Gio._promisify(PyIsolate.ExtensionManager.prototype, 'load_extension_async', 'load_extension_finish');
Gio._promisify(PyIsolate.ExtensionManager.prototype, 'stop_all_async', 'stop_all_finish');
Gio._promisify(PyIsolate.Extension.prototype, 'call_async', 'call_finish');

class Cannot extends Error {}

class Host {
  async open(python, module, venvRoot) {
    this.manager = PyIsolate.ExtensionManager.new(venvRoot);
    this.manager.python = python;
    const config = PyIsolate.ExtensionConfig.new('measured', module);
    this.extension = await this.manager.load_extension_async(config, null);
  }

  // With the binding a call takes and gives plain values; without it they are put into variants here.
  async call(method, signature, ...args) {
    if (this.extension.call)
      return this.extension.call(method, ...args);
    const reply = await this.extension.call_async(method, new GLib.Variant(signature, args), null, null);
    return reply.recursiveUnpack();
  }

  bind(name, kind, nBytes, count) {
    if (kind === 'echo')
      return this.bindEcho(name, nBytes);
    if (kind === 'many' || kind === 'sleep') {
      const [method, signature, value] = kind === 'many' ? ['echo', '(x)', 1] : ['sleep', '(d)', 0.01];
      return {
        per: count,
        call: () => Promise.all(Array.from({length: count}, () => this.call(method, signature, value))),
      };
    }
    throw new Cannot('the hosts in C and Python tell it');
  }

  bindEcho(name, nBytes) {
    const values = {
      'int': ['(x)', 1],
      'int-unpinned': ['(x)', 1],
      'dict-floats': ['(a{sd})', Object.fromEntries(Array.from({length: 100}, (_, i) => [`key${i}`, i * 1.1]))],
      'list-ints': ['(ax)', Array.from({length: 1000}, (_, i) => i)],
    };
    const [signature, value] = name.startsWith('str-') ? ['(s)', 'a'.repeat(nBytes)] : values[name] ?? [];
    if (!signature)
      throw new Cannot('the hosts in C and Python tell it');
    return {per: 1, expected: value, call: () => this.call('echo', signature, value)};
  }

  async prepare(name, kind, nBytes, count) {
    this.bound = this.bind(name, kind, Number(nBytes), Number(count));
    const result = await this.bound.call();
    if (this.bound.expected !== undefined && JSON.stringify(result) !== JSON.stringify(this.bound.expected))
      throw new Error('came back different');
    return 'ok';
  }

  // Microseconds are what gjs can read from the clock.
  async measure(_name, seconds, most) {
    const {call, per} = this.bound;
    const end = GLib.get_monotonic_time() + Number(seconds) * 1e6;
    this.samples = [];
    do {
      const begin = GLib.get_monotonic_time();
      await call();
      this.samples.push((GLib.get_monotonic_time() - begin) * 1000 / per);
    } while (GLib.get_monotonic_time() < end && this.samples.length < Number(most));
    return `ok ${this.samples.length}`;
  }

  async handle(command, ...words) {
    try {
      if (command === 'prepare' || command === 'measure')
        return await this[command](...words);
      if (command === 'samples')
        return this.samples.map(ns => ns.toFixed()).join(' ');
      return command === 'workers' ? 'cannot the hosts in Python tell it' : 'ok';
    } catch (error) {
      return `${error instanceof Cannot ? 'cannot' : 'failed'} ${error.message}`;
    }
  }
}

async function main() {
  const input = Gio.DataInputStream.new(Gio.UnixInputStream.new(0, false));
  const host = new Host();
  await host.open(...ARGV);
  print('ok');
  for (;;) {
    const [line] = await input.read_line_async(GLib.PRIORITY_DEFAULT, null);
    if (line === null || line === 'stop')
      break;
    print(await host.handle(...line.split(' ')));
  }
  await host.manager.stop_all_async(null);
  print('ok');
}

const loop = new GLib.MainLoop(null, false);
let status = 0;
main().catch(error => {
  logError(error);
  status = 1;
}).finally(() => loop.quit());
loop.run();
Gjs.exit(status);

// SPDX-License-Identifier: MIT
// A host in gjs: load, call, listen, stop, by the typelib alone.
imports.gi.versions.PyIsolate = '1';
imports.gi.versions.Gdk = '4.0';
const {Gio, GLib, GObject, PyIsolate} = imports.gi;

Gio._promisify(PyIsolate.ExtensionManager.prototype, 'load_extension_async', 'load_extension_finish');
Gio._promisify(PyIsolate.ExtensionManager.prototype, 'stop_all_async', 'stop_all_finish');
Gio._promisify(PyIsolate.Extension.prototype, 'call_async', 'call_finish');
Gio._promisify(PyIsolate.Extension.prototype, 'start_call_async', 'start_call_finish');
Gio._promisify(PyIsolate.Extension.prototype, 'stop_async', 'stop_finish');

const EXTENSION = `
import pyisolate

def add(a, b):
    return a + b

def fail():
    raise ValueError("no")

def remember(text):
    pyisolate.singleton("memory").sync.keep(text)
    return pyisolate.extension_name

def ask(name, *args):
    try:
        return getattr(pyisolate.singleton("service").sync, name)(*args)
    except pyisolate.RemoteError as error:
        return str(error)

def refuse(tensor):
    pyisolate.emit_event("seen", [tensor])
    raise ValueError(tensor)

def invert(tensor):
    view = memoryview(tensor).cast("B")
    view[0] = 255 - view[0]
    return {"tensor": tensor}
`;
const DEADLINE_SECONDS = 300;

// What answers by itself, and leaves the rest to its parent.
const Service = GObject.registerClass(class Service extends PyIsolate.ProxiedSingleton {
  vfunc_handle_call(invocation) {
    switch (invocation.method) {
    case 'double':
      invocation.return_value(new GLib.Variant('x', invocation.args.recursiveUnpack()[0] * 2));
      break;
    case 'later':
      GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
        invocation.return_value(new GLib.Variant('s', 'late'));
        return GLib.SOURCE_REMOVE;
      });
      break;
    case 'refuse':
      invocation.return_error_literal(PyIsolate.error_quark(), PyIsolate.Error.BAD_VALUE, 'refused');
      break;
    case 'forget':
      break;
    default:
      super.vfunc_handle_call(invocation);
    }
  }
});

function assertEqual(actual, expected) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b)
    throw new Error(`${a} is not ${b}`);
}

async function assertFails(promise, code) {
  try {
    await promise;
  } catch (error) {
    if (!error.matches(PyIsolate.error_quark(), code))
      throw error;
    return;
  }
  throw new Error('did not fail');
}

async function withExtension(folder, test) {
  const module = GLib.build_filenamev([folder, 'module']);
  GLib.mkdir_with_parents(module, 0o755);
  GLib.file_set_contents(GLib.build_filenamev([module, '__init__.py']), EXTENSION);
  const manager = PyIsolate.ExtensionManager.new(GLib.build_filenamev([folder, 'environments']));
  manager.python = GLib.getenv('PYISOLATE_TEST_PYTHONS').split(':').pop();

  const kept = [];
  const memory = PyIsolate.ProxiedSingleton.new();
  memory.add_method('keep', 's', 'Keep a text.', (singleton, invocation) => {
    kept.push(invocation.get_args().recursiveUnpack()[0]);
    invocation.return_value(null);
  });
  manager.add_singleton('memory', memory);
  manager.add_singleton('service', new Service());

  const config = PyIsolate.ExtensionConfig.new('script', module);
  config.apis = ['memory', 'service'];
  const extension = await manager.load_extension_async(config, null);
  try {
    await test(extension, kept);
  } finally {
    await manager.stop_all_async(null);
  }
  assertEqual(extension.state, PyIsolate.ExtensionState.STOPPED);
}

const tests = {
  async call(extension) {
    const sum = await extension.call_async('add', new GLib.Variant('(xx)', [40, 2]), null, null);
    assertEqual(sum.recursiveUnpack(), 42);
    const many = await Promise.all([1, 2, 3].map(n =>
      extension.call_async('add', new GLib.Variant('(xx)', [n, n]), null, null)));
    assertEqual(many.map(v => v.recursiveUnpack()), [2, 4, 6]);
  },

  async errors(extension) {
    const call = PyIsolate.Call.new('fail');
    await assertFails(extension.start_call_async(call, null), PyIsolate.Error.REMOTE_EXCEPTION);
    assertEqual(call.dup_remote_exception().get_type_name(), 'ValueError');
    await assertFails(extension.call_async('nothing', null, null, null),
      PyIsolate.Error.NO_SUCH_METHOD);
  },

  async singleton(extension, kept) {
    const name = await extension.call_async('remember', new GLib.Variant('(s)', ['this']), null, null);
    assertEqual(name.recursiveUnpack(), 'script');
    assertEqual(kept, ['this']);
  },

  async subclass(extension) {
    const ask = async name => {
      const args = name === 'double' ? new GLib.Variant('(sx)', [name, 21]) : new GLib.Variant('(s)', [name]);
      return (await extension.call_async('ask', args, null, null)).recursiveUnpack();
    };
    assertEqual(await ask('double'), 42);
    assertEqual(await ask('later'), 'late');
    assertEqual(await ask('refuse'), 'refused');
    assertEqual(await ask('unknown'), 'The singleton has no method “unknown”');

    // It is answered when the collector has dropped it.
    let answer = null;
    ask('forget').then(text => (answer = text), error => (answer = error.message));
    while (answer === null) {
      imports.system.gc();
      await new Promise(resolve => GLib.timeout_add(GLib.PRIORITY_DEFAULT, 10, () => {
        resolve();
        return GLib.SOURCE_REMOVE;
      }));
    }
    assertEqual(answer, '“forget” of the singleton “service” gave no answer');
  },

  // The typed array is the memory that the extension writes to.
  async tensor(extension) {
    const tensor = PyIsolate.Tensor.new_for_shape(PyIsolate.Dtype.UINT8, [1024, 1024], PyIsolate.MemoryFlags.NONE);
    const pixels = tensor.get_bytes().toArray();
    assertEqual([pixels.length, pixels[0]], [1024 * 1024, 0]);
    const call = PyIsolate.Call.new('invert');
    call.set_args(GLib.Variant.new_tuple([call.add_tensor(tensor)]));
    const result = await extension.start_call_async(call, null);
    assertEqual(pixels[0], 255);

    const value = result.get_value().lookup_value('tensor', null);
    assertEqual(PyIsolate.value_is_tensor(value), true);
    const back = result.dup_tensor(value);
    assertEqual([back.get_dtype(), back.get_shape()], [PyIsolate.Dtype.UINT8, [1024, 1024]]);
    pixels[1] = 17;
    assertEqual(back.get_bytes().toArray()[1], 17);

    const copied = PyIsolate.Tensor.new_from_bytes(new Uint8Array([1, 2, 3, 4]), PyIsolate.Dtype.UINT16, [2]);
    assertEqual(copied.get_shape(), [2]);
    await assertFails((async () => copied.is_contiguous() && PyIsolate.Tensor.new_from_bytes(new Uint8Array(3),
      PyIsolate.Dtype.UINT16, [2]))(), PyIsolate.Error.BAD_TENSOR);
  },

  // What an event and an exception hold lies in their values.
  async tensorOfValue(extension) {
    const sent = PyIsolate.Tensor.new_from_bytes(new Uint8Array([1, 2, 3, 4]), PyIsolate.Dtype.UINT16, [2]);
    const assertSent = value => {
      const tensor = PyIsolate.Tensor.new_from_value(value);
      assertEqual([tensor.get_dtype(), tensor.get_shape(), Array.from(tensor.get_bytes().toArray())],
        [PyIsolate.Dtype.UINT16, [2], [1, 2, 3, 4]]);
    };
    const seen = new Promise(resolve => {
      const id = extension.connect('event', (_extension, name, value) => {
        extension.disconnect(id);
        resolve(value.get_child_value(0));
      });
    });
    const call = PyIsolate.Call.new('refuse');
    call.set_args(GLib.Variant.new_tuple([call.add_tensor(sent)]));
    await assertFails(extension.start_call_async(call, null), PyIsolate.Error.REMOTE_EXCEPTION);
    assertSent(call.dup_remote_exception().get_args().get_child_value(0));
    assertSent(await seen);
    await assertFails((async () => PyIsolate.Tensor.new_from_value(new GLib.Variant('x', 1)))(),
      PyIsolate.Error.BAD_TENSOR);
  },

  // A texture of GTK's is not a copy: it shows what is written later.
  async texture() {
    const Gdk = imports.gi.Gdk;
    const tensor = PyIsolate.Tensor.new_for_shape(PyIsolate.Dtype.UINT8, [16, 32, 4], PyIsolate.MemoryFlags.NONE);
    const bytes = tensor.get_bytes();
    const texture = Gdk.MemoryTexture.new(32, 16, Gdk.MemoryFormat.R8G8B8A8, bytes, 32 * 4);
    const picture = () => GLib.compute_checksum_for_bytes(GLib.ChecksumType.SHA256, texture.save_to_png_bytes());
    const black = picture();
    assertEqual([texture.get_width(), texture.get_height(), picture()], [32, 16, black]);
    bytes.toArray().fill(255);
    assertEqual(picture() === black, false);
  },
};

function removeTree(file) {
  const children = file.enumerate_children('standard::name,standard::type',
    Gio.FileQueryInfoFlags.NOFOLLOW_SYMLINKS, null);
  for (let info = children.next_file(null); info; info = children.next_file(null)) {
    const child = children.get_child(info);
    if (info.get_file_type() === Gio.FileType.DIRECTORY)
      removeTree(child);
    else
      child.delete(null);
  }
  file.delete(null);
}

async function main() {
  let number = 0;
  let failures = 0;
  print(`1..${Object.keys(tests).length}`);
  for (const [name, test] of Object.entries(tests)) {
    const folder = GLib.dir_make_tmp('pyisolate-gjs-XXXXXX');
    number++;
    try {
      await withExtension(folder, test);
      print(`ok ${number} ${name}`);
    } catch (error) {
      failures++;
      print(`# ${error}\n# ${(error.stack ?? '').trim().split('\n').join('\n# ')}`);
      print(`not ok ${number} ${name}`);
    }
    removeTree(Gio.File.new_for_path(folder));
  }
  return failures ? 1 : 0;
}

const loop = new GLib.MainLoop(null, false);
let status = 2;
const guard = GLib.timeout_add_seconds(GLib.PRIORITY_DEFAULT, DEADLINE_SECONDS, () => {
  print('Bail out! not done in time');
  loop.quit();
  return GLib.SOURCE_REMOVE;
});
main().then(s => {
  status = s;
  GLib.source_remove(guard);
}).catch(error => logError(error)).finally(() => loop.quit());
loop.run();
imports.system.exit(status);

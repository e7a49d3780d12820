// SPDX-License-Identifier: MIT
// A host in Vala: that it compiles says that the vapi is whole; then it runs.

// What comes with a floating reference is kept once, not once more for ever.
void keep_values () throws Error {
  var call = new PyIsolate.Call ("greet");
  var tensor = new PyIsolate.Tensor.from_bytes (new Bytes ({ 1, 2, 3, 4 }), PyIsolate.Dtype.UINT8, { 4 });
  Variant none = PyIsolate.value_new_none ();
  Variant argument = call.add_tensor (tensor);

  assert (PyIsolate.value_is_none (none) && !none.is_floating ());
  assert (PyIsolate.value_is_tensor (argument) && !argument.is_floating ());
}

async int run (string directory, string environments, string python) throws Error {
  var manager = new PyIsolate.ExtensionManager (environments);
  manager.python = python;
  var config = new PyIsolate.ExtensionConfig ("vala", directory);
  var extension = yield manager.load_extension_async (config, null);
  assert (extension.state == PyIsolate.ExtensionState.RUNNING);

  var greeting = yield extension.call_async ("greet", new Variant ("(s)", "Vala"), null, null);
  assert (greeting.get_string ().has_prefix ("Hello Vala, from Python 3."));
  try {
    yield extension.call_async ("nothing", null, null, null);
    assert_not_reached ();
  } catch (PyIsolate.Error.NO_SUCH_METHOD error) {
    assert (error.message.contains ("nothing"));
  }
  yield extension.stop_async (null);
  return 0;
}

int main (string[] args) {
  var loop = new MainLoop ();
  int status = 2;

  assert (args.length == 4);
  try {
    keep_values ();
  } catch (Error error) {
    printerr ("%s\n", error.message);
    return 2;
  }
  run.begin (args[1], args[2], args[3], (source, result) => {
    try {
      status = run.end (result);
    } catch (Error error) {
      printerr ("%s\n", error.message);
    }
    loop.quit ();
  });
  Timeout.add_seconds (60, () => {
    printerr ("not done in time\n");
    loop.quit ();
    return Source.REMOVE;
  });
  loop.run ();
  return status;
}

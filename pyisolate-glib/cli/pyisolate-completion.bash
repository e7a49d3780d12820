# SPDX-License-Identifier: MIT
# Completion of the program pyisolate in bash.

_pyisolate_common='--venv-root --verbose --help'
_pyisolate_environment='--dep --python --lock --find-links --index-url --extra-index-url --allow-source-builds
  --torch-environment'

# What stands after the command may be completed from these: options, and what the other words are.
_pyisolate_words() {
  case $1 in
    call) echo "$_pyisolate_environment --env --kwargs --timeout --raw" ;;
    describe) echo "$_pyisolate_environment --env --stubs --json" ;;
    doctor) echo '--json' ;;
    'env create' | 'env update') echo "$_pyisolate_environment --json" ;;
    'env list' | 'env show' | 'env verify') echo '--json' ;;
    'env repair') echo '--find-links --index-url --json' ;;
    'env prune') echo '--older-than --json' ;;
  esac
}

# The keys of environments. Quick, as nothing is run but pyisolate itself.
_pyisolate_environments() {
  local options=()
  [ -n "$1" ] && options=(--venv-root "$1")
  pyisolate env list "${options[@]}" 2>/dev/null | while read -r key _; do
    [[ $key =~ ^[0-9a-f]{8,}$ ]] && echo "$key"
  done
}

# The methods of an extension are known when it was loaded, which is too much for a key press: what its source has at the
# left margin is offered instead.
_pyisolate_methods() {
  local file=$1
  [ -d "$file" ] && file=$file/__init__.py
  [ -f "$file" ] && sed -n -E 's/^(async )?def ([a-zA-Z][a-zA-Z0-9_]*).*/\2/p' "$file"
}

_pyisolate() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' root='' places=() i word
  COMPREPLY=()

  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      --venv-root | --dep | --python | --lock | --find-links | --index-url | --extra-index-url | --torch-environment | --env | --kwargs | --timeout | --older-than)
        ((++i))
        # bash takes --option=value, KEY=value and https://host for several words each.
        [ "${COMP_WORDS[i]}" = = ] && ((++i))
        [ "$word" = --venv-root ] && root=${COMP_WORDS[i]}
        while [[ ${COMP_WORDS[i + 1]} == [:=]* ]]; do ((i += 2)); done
        ;;
      -*) ;;
      *)
        if [ -z "$command" ]; then
          command=$word
        elif [ "$command" = env ]; then
          command="env $word"
        else
          places+=("$word")
        fi
        ;;
    esac
  done

  [ "$previous" = = ] && previous=${COMP_WORDS[COMP_CWORD - 2]}
  [ "$current" = = ] && current=''
  case $previous in
    --venv-root | --find-links | --torch-environment)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    --lock | --python | --kwargs)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --dep | --index-url | --extra-index-url | --env | --timeout | --older-than)
      return
      ;;
  esac

  if [[ $current == -* ]]; then
    word="$_pyisolate_common $(_pyisolate_words "$command")"
    [ -z "$command" ] && word+=' --version'
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
    return
  fi
  case $command in
    '')
      mapfile -t COMPREPLY < <(compgen -W 'call describe env doctor' -- "$current")
      ;;
    env)
      mapfile -t COMPREPLY < <(compgen -W 'create update list show verify repair remove prune' -- "$current")
      ;;
    'env show' | 'env verify' | 'env repair' | 'env remove')
      mapfile -t COMPREPLY < <(compgen -W "$(_pyisolate_environments "$root")" -- "$current")
      ;;
    call | describe | 'env create' | 'env update')
      if [ "$command" = call ] && [ ${#places[@]} -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_pyisolate_methods "${places[0]}")" -- "$current")
      else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      fi
      ;;
  esac
}

complete -F _pyisolate pyisolate

_nlpreg() {
    local -a candidates
    candidates=(${(f)"$(nlpreg completion --line "${(j: :)words[1,CURRENT]}" 2>/dev/null)"})
    if (( ${#candidates} )); then
        compadd -- ${candidates:#*=}
        compadd -S '' -- ${(M)candidates:#*=}  # the value follows without a space
    else
        _files
    fi
}
compdef _nlpreg nlpreg

_nlpreg() {
    local IFS=$'\n'
    local cur="${COMP_WORDS[COMP_CWORD]}"
    local colon_prefix=""
    # bash splits words at ":" and "=": put them together again for nlpreg, and take the prefix off its answers.
    local line="${COMP_LINE:0:COMP_POINT}"
    local last="${line##*[[:space:]]}"
    colon_prefix="${last%"$cur"}"
    [[ "$cur" == ":" || "$cur" == "=" ]] && { colon_prefix="$last"; }
    local candidates
    candidates=($(nlpreg completion --line "$line" 2>/dev/null))
    COMPREPLY=()
    local candidate
    for candidate in "${candidates[@]}"; do
        COMPREPLY+=("${candidate#"$colon_prefix"}")
    done
    [[ ${#COMPREPLY[@]} == 1 && "${COMPREPLY[0]}" == *= ]] && compopt -o nospace
}
complete -o default -F _nlpreg nlpreg

/** What the shells are told: that `gantry __complete` knows. Its answer is a line for each candidate, `word<TAB>about`, or `:files`. */

export const bashScript = `# bash completion for gantry
_gantry() {
    local line=\${COMP_LINE:0:COMP_POINT} words last known IFS=$' \\t\\n'
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    last=\${words[\${#words[@]}-1]}
    known=$("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    if [[ $known == :files ]]; then
        compopt -o default
        return
    fi
    # Bash takes what is before a colon for a word of its own.
    local colon=\${last%"\${last##*:}"} each
    [[ $COMP_WORDBREAKS == *:* ]] || colon=
    while IFS=$'\\t' read -r each _; do
        [[ -n $each ]] && COMPREPLY+=("\${each#"$colon"}")
    done <<<"$known"
}
complete -F _gantry gantry
`

export const zshScript = `#compdef gantry
_gantry() {
    local -a found
    local line
    for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        if [[ $line == :files ]]; then
            _files
        elif [[ -n $line ]]; then
            found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
        fi
    done
    (( $#found )) && _describe -t gantry gantry found
}
if [[ $funcstack[1] == _gantry ]]; then
    _gantry "$@"
else
    compdef _gantry gantry
fi
`

export const fishScript = `# fish completion for gantry
function __gantry_known
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c gantry -e
complete -c gantry -f -n 'not __gantry_known | string match -q :files' -a '(__gantry_known)'
complete -c gantry -F -n '__gantry_known | string match -q :files'
`

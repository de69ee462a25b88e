complete -c nlpreg -a '(nlpreg completion --line (commandline -cp) 2>/dev/null)'

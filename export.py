from colorizer.commands.export import main

main()

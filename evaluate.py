from colorizer.commands.evaluate import main

main()
